"""What is a key in a store: the same in a folder and in a bucket of S3, whatever either would take beyond it."""

from __future__ import annotations

__all__ = ["check_key", "check_prefix", "is_key"]


def is_key(text: str) -> bool:
    """Tell whether a text is names joined by '/', of which none is empty or has a leading '.', a backslash or a NUL.

    Names with a leading dot are the store's own, and are never listed.
    """
    parts = text.split("/")
    return not any(not part or part.startswith(".") or "\0" in part or "\\" in part for part in parts)


def check_key(key: str) -> str:
    """Give the key back; ValueError for one that could leave the bucket or meet the store's own objects."""
    if not is_key(key):
        message = f"a key is names joined by '/', none empty or with a leading '.', got {key!r}"
        raise ValueError(message)
    return key


def check_prefix(prefix: str) -> str:
    """Give the prefix of a listing back; ValueError unless all of it before its last '/' is a key."""
    folder, slash, _ = prefix.rpartition("/")
    if slash:
        check_key(folder)
    return prefix
