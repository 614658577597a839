"""The file of a decision model, as the Improve AI clients load it (improve_protocol.md §7).

XGBoost's old binary format, which only releases up to 3.0 write, in gzip; the attribute
`user_defined_metadata` is a JSON object. The same model gives the same bytes.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
import xgboost as xgb

from lambda_learner.publish.errors import DamagedObject
from lambda_learner.publish.keys import is_model

__all__ = ["LINEAGE", "DamagedModel", "ModelFile", "from_model_file", "to_model_file"]

LINEAGE: Final = "lambda_learner.lineage"  # what the model was made from; the clients read their own keys only

_ATTRIBUTE: Final = "user_defined_metadata"
_BINARY: Final = b"binf"  # how the old format begins
_LEVEL: Final = 6  # of gzip: 9 takes four times as long for 1 %
_MAX_SEED: Final = 2**32 - 1
_VERSION_8: Final = re.compile(r"8(\..*)?")


class DamagedModel(DamagedObject):
    """A model file that the clients could not use."""

    remedy = "roll back to an older model, or train it again"


class ModelFile(NamedTuple):
    """A booster, of one thread, and the metadata that came with it."""

    booster: xgb.Booster
    metadata: dict[str, Any]


def to_model_file(booster: xgb.Booster, metadata: Mapping[str, Any]) -> bytes:
    """Give the file's bytes; ValueError for metadata that the clients refuse."""
    fault = _fault(metadata, booster.num_features())
    if fault:
        raise ValueError(fault)
    copy = booster.copy()
    # None takes an attribute away: of a loaded booster, its metadata among them, which are written anew.
    copy.set_attr(**(dict.fromkeys(copy.attributes()) | {_ATTRIBUTE: orjson.dumps(metadata).decode()}))
    with xgb.config_context(verbosity=0):  # it warns that the format is old
        raw = bytes(copy.save_raw("deprecated"))
    return gzip.compress(raw, _LEVEL, mtime=0)


def from_model_file(data: bytes, key: str = "the model") -> ModelFile:
    """Read a file's bytes back; DamagedModel names the key."""
    try:
        raw = gzip.decompress(data)  # its checksum keeps torn bytes from XGBoost, which trusts what it reads
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedModel(key, f"it is not gzip ({error})") from error
    if not raw.startswith(_BINARY):
        raise DamagedModel(key, f"it is not in XGBoost's old binary format, it begins {raw[:8]!r}")
    try:
        booster = xgb.Booster({"nthread": 1, "verbosity": 0}, model_file=bytearray(raw))
        metadata = orjson.loads(booster.attr(_ATTRIBUTE) or "")
    except xgb.core.XGBoostError as error:
        raise DamagedModel(key, f"XGBoost cannot load it ({str(error).splitlines()[0]})") from error
    except orjson.JSONDecodeError as error:
        raise DamagedModel(key, f"{_ATTRIBUTE} is not JSON ({error})") from error
    fault = _fault(metadata, booster.num_features())
    if fault:
        raise DamagedModel(key, fault)
    return ModelFile(booster, metadata)


def _fault(metadata: Any, columns: int) -> str | None:
    """What is wrong with metadata, None if a client takes it."""
    if not isinstance(metadata, Mapping):
        return f"{_ATTRIBUTE} must be an object, got {metadata!r:.80}"
    for name, (is_right, accepted) in _KEYS.items():
        if not is_right(metadata.get(name)):
            return f"{name} must be {accepted}, got {metadata.get(name)!r:.80}"
    features, tables = metadata["ai.improve.features"], metadata["ai.improve.string_tables"]
    if len(features) != columns:
        return f"ai.improve.features must be one for each of the booster's {columns} columns, got {len(features)}"
    foreign = sorted(tables.keys() - set(features))
    return f"ai.improve.string_tables must be of features, got one of {foreign[0]!r}" if foreign else None


def _is_features(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) and name for name in value)


def _is_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(table, list) and all(type(entry) is int and entry >= 0 for entry in table)
        for table in value.values()
    )


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


_KEYS: Final[dict[str, tuple[Any, str]]] = {
    "ai.improve.model": (lambda value: isinstance(value, str) and is_model(value), "a model's name"),
    "ai.improve.features": (_is_features, "a list of one or more paths"),
    "ai.improve.string_tables": (_is_tables, "an object of lists of integers"),
    "ai.improve.seed": (lambda value: type(value) is int and 1 <= value <= _MAX_SEED, f"an integer in 1…{_MAX_SEED}"),
    "ai.improve.created_at": (_is_time, "an ISO 8601 time"),
    "ai.improve.version": (
        lambda value: isinstance(value, str) and _VERSION_8.fullmatch(value) is not None,
        "a version 8",
    ),
}
