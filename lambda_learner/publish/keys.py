"""Where each object lies in the bucket (DESIGN §5); a part that is not safe in a key is refused."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime

__all__ = [
    "COEFFICIENTS",
    "OWNER_KEY",
    "base_key",
    "close_text",
    "delta_key",
    "generation_key",
    "is_manifest_key",
    "is_model",
    "manifest_key",
    "other_key",
    "shard_folder",
    "shard_of",
    "shard_text",
]

COEFFICIENTS = "coefficients/"
_MANIFEST = re.compile(COEFFICIENTS + r"[^/]+/[^/]+/[^/]+/manifest\.json")
OWNER_KEY = COEFFICIENTS + "_owner.json"  # no model's name begins with _
MAX_SHARDS = 10_000  # a shard's text has at most four digits
END_OF_TIME_MS = 253_402_300_800_000  # the year 10,000: a fifth digit would break the order of the keys

_MODEL = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_\-.]{0,63}")
_GENERATION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_\-]{0,63}")


def shard_of(entity: str, shards: int) -> int:
    """Give the shard of an entity: crc32 of its UTF-8 text modulo the number of shards."""
    return zlib.crc32(entity.encode()) % shards


def generation_key(model: str) -> str:
    """Give the key of a model's generation.json."""
    return f"{COEFFICIENTS}{_model(model)}/generation.json"


def shard_folder(model: str, generation: str, shard: int) -> str:
    """Give the prefix of one shard's objects, with its closing slash."""
    if not _GENERATION.fullmatch(generation):
        message = f"generation must be 1–64 letters, digits, '_' or '-', got {generation!r}"
        raise ValueError(message)
    return f"{COEFFICIENTS}{_model(model)}/{generation}/{shard_text(shard)}/"


def manifest_key(model: str, generation: str, shard: int) -> str:
    """Give the key of one shard's manifest.json."""
    return shard_folder(model, generation, shard) + "manifest.json"


def is_manifest_key(key: str) -> bool:
    """Tell whether a key is some shard's manifest."""
    return _MANIFEST.fullmatch(key) is not None


def delta_key(folder: str, close_ms: int) -> str:
    """Give the key of the entities changed up to a window's close."""
    return f"{folder}{close_text(close_ms)}-delta.parquet"


def base_key(folder: str, close_ms: int) -> str:
    """Give the key of the merge of all files up to a window's close."""
    return f"{folder}{close_text(close_ms)}-base.parquet"


def other_key(key: str, checksum: str) -> str:
    """Give the key of a file whose own key is taken by another content: the same with its checksum within."""
    stem, dot, suffix = key.rpartition(".")
    return f"{stem}-{checksum}{dot}{suffix}"


def shard_text(shard: int) -> str:
    """Give a shard's number as text of at least two digits."""
    if not 0 <= shard < MAX_SHARDS:
        message = f"shard must be 0–{MAX_SHARDS - 1}, got {shard}"
        raise ValueError(message)
    return f"{shard:02d}"


def close_text(close_ms: int) -> str:
    """Give a window's close, a whole second, as compact ISO text in UTC: 20240131T235950Z."""
    if close_ms % 1000 or not 0 <= close_ms < END_OF_TIME_MS:
        message = f"close_ms must be whole seconds of the years 1970–9999, got {close_ms}"
        raise ValueError(message)
    return datetime.fromtimestamp(close_ms // 1000, tz=UTC).strftime("%Y%m%dT%H%M%SZ")


def is_model(name: str) -> bool:
    """Tell whether a name can be a model's."""
    return _MODEL.fullmatch(name) is not None


def _model(model: str) -> str:
    if not is_model(model):
        message = (
            f"model must be 1–64 ASCII letters, digits, '_', '-' or '.', the first a letter or digit, got {model!r}"
        )
        raise ValueError(message)
    return model
