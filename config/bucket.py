"""Where models and training data are kept: the section `bucket`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, LiteralString

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from config.kinds import BucketUrl, Endpoint, Region
from config.sections import AT_KEY, Section
from lambda_learner.publish.s3_address import SCHEME, check_endpoint, masked, parse_address

__all__ = ["Bucket", "shows_no_credentials"]

# What a message may show of a wrong value, for all keys whose value could hold credentials.
_CHECKS: Final[dict[str, tuple[Callable[[str], object], Callable[[str], str]]]] = {
    "endpoint": (check_endpoint, lambda url: "…" if "@" in url else url.partition("?")[0]),
    "models": (parse_address, masked),
    "train": (parse_address, masked),
    "checkpoints": (parse_address, masked),
}


def shows_no_credentials(section: object) -> object:
    """Refuse a wrong address in a section here, before the check of its field, which would show the value."""
    for key, (check, safe) in _CHECKS.items():
        url = section.get(key) if isinstance(section, dict) else None
        if isinstance(url, str) and (key == "endpoint" or url.startswith(SCHEME)):
            _refuse_wrong(key, url, check, safe)
    return section


class Bucket(Section):
    """Folders, or prefixes of buckets in S3, for models and training data.

    `endpoint` and `region` are those of the S3 addresses that name none themselves: once read, the addresses hold
    them, and so whoever opens a bucket, on whatever machine, needs the address alone. Credentials are never here.
    """

    endpoint: Endpoint | None = None
    region: Region | None = None
    models: BucketUrl = "file:bucket/models"
    train: BucketUrl = "file:bucket/train"

    @model_validator(mode="before")
    @classmethod
    def _shows_no_credentials(cls, value: object) -> object:
        return shows_no_credentials(value)

    @field_validator("models", "train")
    @classmethod
    def _with_server(cls, url: str, info: ValidationInfo) -> str:
        return _on_server(url, info.data.get("endpoint"), info.data.get("region"))

    def on_server(self, url: str) -> str:
        """An address with this section's endpoint and region where it names none."""
        return _on_server(url, self.endpoint, self.region)


def _on_server(url: str, endpoint: str | None, region: str | None) -> str:
    if not url.startswith(SCHEME):
        return url
    address = parse_address(url)
    return str(address._replace(endpoint=address.endpoint or endpoint, region=address.region or region))


def _refuse_wrong(key: str, url: str, check: Callable[[str], object], safe: Callable[[str], str]) -> None:
    try:
        check(url)
    except ValueError as error:
        message: LiteralString = "{reason}"
        raise PydanticCustomError(AT_KEY, message, {"key": key, "value": safe(url), "reason": str(error)}) from None
