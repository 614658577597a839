"""What all sections of the configuration share: frozen, no unknown keys, an empty one has the defaults."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["AT_KEY", "Section"]

# The type of an error that a check of a whole section raises about one of its keys: context `key`, `value`.
AT_KEY: Final[Literal["at_key"]] = "at_key"


def _key_of(attribute: str) -> str:
    """The key in the file: `update_interval` for `update_interval_ms`, as the file names its units itself."""
    return attribute.removesuffix("_ms").removesuffix("_gb")


class Section(BaseModel):
    """One mapping of the file. Durations are read as text or seconds, and held in milliseconds."""

    # strict: the text "4" is not the number 4, and `true` is not 1.
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=_key_of)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        return {} if value is None else value
