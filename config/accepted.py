"""What the configuration accepts at a key: from the types and descriptions in `config.settings`."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import Tag
from pydantic.fields import FieldInfo

from config.problems import KeyPath
from config.sections import Section
from config.settings import Settings

__all__ = ["hint_for", "kinds_at", "path_in_file", "what_is_accepted"]


class _Place(NamedTuple):
    """Where a path leads: the innermost section on it, and the last key of a section, if one is on it.

    In pydantic's paths, the kind of a section that may be of several follows its key; `kinds` are those parts.
    """

    section: type[Section]
    field: FieldInfo | None
    kinds: tuple[int, ...] = ()


def path_in_file(path: KeyPath) -> KeyPath:
    """The path of a key as the file has it, of one as pydantic has it."""
    kinds = _place(path).kinds
    return tuple(part for index, part in enumerate(path) if index not in kinds)


def kinds_at(path: KeyPath) -> str:
    """The kinds that a section may be of: "files, kafka or kinesis"."""
    field = _place(path).field
    *most, last = _kinds(field) if field else [""]
    return f"{', '.join(most)} or {last}" if most else last


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
    kinds: list[int] = []
    parts = iter(enumerate(path))
    for _, part in parts:
        field = _fields(section).get(str(part))
        inner = _section_in(field.annotation) if field else None
        if field and (of_kind := _kinds(field)):
            index, kind = next(parts, (-1, None))
            inner = of_kind.get(str(kind))
            kinds.append(index)
        if field is None or inner is None:
            break  # a value: what follows lies within it
        section = inner
        if get_origin(field.annotation) is dict and next(parts, None) is not None:
            field = None  # the name of a model: a section without a key of its own
    return _Place(section, field, tuple(kinds))


def _kinds(field: FieldInfo) -> dict[str, type[Section]]:
    """The sections that a key may hold, by their `kind`; none where it holds one section or a value."""
    tagged = [get_args(each) for each in get_args(field.annotation) if get_origin(each) is Annotated]
    return {tag.tag: section for section, *tags in tagged for tag in tags if isinstance(tag, Tag)}


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
    inner = next((each for each in get_args(inner) if type(None) in get_args(inner)), inner)  # of a section or none
    return inner if isinstance(inner, type) and issubclass(inner, Section) else None
