"""What the configuration accepts at a key: from the types and descriptions in `config.settings`."""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from config.problems import KeyPath
from config.sections import Section
from config.settings import Settings

__all__ = ["hint_for", "what_is_accepted"]


class _Place(NamedTuple):
    """Where a path leads: the innermost section on it, and the last key of a section, if one is on it."""

    section: type[Section]
    field: FieldInfo | None


def what_is_accepted(path: KeyPath) -> str:
    """What may stand at the path of a key: "a number > 0", "a mapping with the keys …"."""
    place = _place(path)
    described = _description(place.field) if place.field else None
    if described:
        return described
    return "a mapping with the keys " + ", ".join(_fields(place.section))


def hint_for(path: KeyPath) -> str:
    """How to go on from an unknown key: the known key it looks like, or else all that are known there."""
    known = _fields(_place(path[:-1]).section)
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"


def _place(path: KeyPath) -> _Place:
    section: type[Section] = Settings
    field: FieldInfo | None = None
    parts = iter(path)
    for part in parts:
        field = _fields(section).get(str(part))
        inner = _section_in(field.annotation) if field else None
        if field is None or inner is None:
            break  # a value: what follows lies within it
        section = inner
        if get_origin(field.annotation) is dict and next(parts, None) is not None:
            field = None  # the name of a model: a section without a key of its own
    return _Place(section, field)


def _description(field: FieldInfo) -> str | None:
    """What the field says it accepts: itself, or for an optional one its kind."""
    kinds = [kind for part in get_args(field.annotation) for kind in getattr(part, "__metadata__", ())]
    fields = [field, *(kind for kind in kinds if isinstance(kind, FieldInfo))]
    return next((each.description for each in fields if each.description), None)


def _fields(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section by their keys in the file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _section_in(annotation: Any) -> type[Section] | None:
    """The section that a type is, or maps names to; None for plain values."""
    inner = get_args(annotation)[-1] if get_origin(annotation) is dict else annotation
    return inner if isinstance(inner, type) and issubclass(inner, Section) else None
