r"""Paths into an item or a context: `item.genre`, `context.device.os`.

Keys are joined by `.`; within a key `.`, `\` and `×` (which joins the names of a cross) are written with a
`\` before them, so that {"a.b": 1} and {"a": {"b": 1}} have two paths. A list's element has its index as key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

__all__ = ["ROOTS", "child", "join_path", "resolve", "split_path"]

ROOTS: Final = ("item", "context")

_SPECIAL: Final = re.compile(r"[.\\×]")
_KEY: Final = re.compile(r"(?:[^.\\]|\\.)+", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def child(path: str, key: str) -> str:
    """The path of a key's value in the object at a path."""
    if "." in key or "\\" in key or "×" in key:
        key = _SPECIAL.sub(r"\\\g<0>", key)
    return f"{path}.{key}"


def join_path(keys: Sequence[str]) -> str:
    """The path of these keys, the first of which is a root."""
    path = keys[0]
    for key in keys[1:]:
        path = child(path, key)
    return path


@lru_cache(maxsize=1024)  # paths come from settings: a handful
def split_path(path: str) -> tuple[str, ...]:
    """The keys of a path; ValueError if it does not start at item or context or has an empty key."""
    written = _KEY.findall(path)
    keys = tuple(_ESCAPED.sub(r"\1", key) for key in written)
    if ".".join(written) != path or not keys or keys[0] not in ROOTS:
        message = f"a path is item or context, then keys, joined by dots (item.genre), got {path!r}"
        raise ValueError(message)
    return keys


def resolve(item: Any, context: Any, path: str | Sequence[str]) -> Any:
    """The value at a path (or at its keys); None if it is missing or null."""
    keys = split_path(path) if isinstance(path, str) else path
    value = item if keys[0] == "item" else context
    for key in keys[1:]:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, (list, tuple)) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
