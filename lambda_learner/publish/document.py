"""The bucket's JSON objects: deterministic text, and typed reading whose errors name field and value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson

from lambda_learner.publish.errors import DamagedObject, NewerFormat

__all__ = ["Document", "to_text"]

Word = TypeVar("Word", bound=str)

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
SHOWN = 80  # characters of a wrong value in a message


def to_text(fields: Mapping[str, Any], *, format_version: int) -> bytes:
    """Give the object's text: sorted keys, one trailing newline, its format version within."""
    return orjson.dumps({**fields, "format_version": format_version}, option=_OPTIONS)


class Document:
    """The fields of one JSON object; a field that is not as it must be raises the given error."""

    def __init__(self, fields: Any, key: str, error: type[DamagedObject], *, path: str = "") -> None:
        """Hold the fields of the object under `key`; `path` is their place in it, for messages."""
        self._key = key
        self._error = error
        self._path = path
        if not isinstance(fields, dict):
            raise self.failure(path.rstrip(".") or "the document", "an object", value=fields)
        self._fields = fields

    @classmethod
    def parse(cls, data: bytes, key: str, error: type[DamagedObject], *, format_version: int) -> Document:
        """Read the object's text; NewerFormat if a newer release wrote it."""
        try:
            fields = orjson.loads(data)
        except orjson.JSONDecodeError as failure:
            raise error(key, f"it is not JSON ({failure})") from failure
        document = cls(fields, key, error)
        written = document.integer("format_version", minimum=1)
        if written > format_version:
            raise NewerFormat(key, written, format_version)
        return document

    def failure(self, field: str, accepted: str, *, value: Any) -> DamagedObject:
        """Give the error that says what a field must be, and what it is."""
        return self._error(self._key, f"{field} must be {accepted}, got {repr(value)[:SHOWN]}")

    def text(self, name: str, *, among: tuple[str, ...] = ()) -> str:
        """Give a text field."""
        value = self._fields.get(name)
        if not isinstance(value, str) or (among and value not in among):
            raise self.failure(self._path + name, f"one of {', '.join(among)}" if among else "a text", value=value)
        return value

    def integer(self, name: str, *, minimum: int) -> int:
        """Give an integer field."""
        value = self._fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.failure(self._path + name, f"an integer ≥ {minimum}", value=value)
        return value

    def number(self, name: str, *, positive: bool = False) -> float:
        """Give a finite number field."""
        value = self._fields.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise self.failure(self._path + name, "a finite number", value=value)
        if positive and value <= 0:
            raise self.failure(self._path + name, "a number > 0", value=value)
        return float(value)

    def positive_or(self, name: str, word: Word) -> float | Word:
        """Give a number > 0, or the one word that may stand in its place."""
        value = self._fields.get(name)
        if value == word:
            return word
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
            raise self.failure(self._path + name, f"a number > 0 or {word}", value=value)
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Give a list of texts."""
        value = self._fields.get(name)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self.failure(self._path + name, "a list of texts", value=value)
        return tuple(value)

    def child(self, name: str) -> Document:
        """Give a field that is an object."""
        return Document(self._fields.get(name), self._key, self._error, path=f"{self._path}{name}.")

    def names(self) -> tuple[str, ...]:
        """Give the names of its fields."""
        return tuple(self._fields)

    def children(self, name: str) -> tuple[Document, ...]:
        """Give a list of objects."""
        value = self._fields.get(name)
        if not isinstance(value, list):
            raise self.failure(self._path + name, "a list", value=value)
        return tuple(
            Document(fields, self._key, self._error, path=f"{self._path}{name}[{index}].")
            for index, fields in enumerate(value)
        )
