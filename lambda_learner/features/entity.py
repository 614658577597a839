"""Which entity a decision is learned for: the values at the configured paths, as one typed text."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

import orjson

from lambda_learner.features.paths import resolve

__all__ = ["entity_key", "entity_of"]

# JSON does not tell 1 from 1.0, and writers disagree (JavaScript drops the .0): up to 2**53, where doubles
# still hold every integer, both are 1.
_MAX_EXACT: Final = 2**53
_MAX_INTEGER: Final = 2**64 - 1  # beyond, a line's integers are read as floats
_MIN_INTEGER: Final = -(2**63)
# orjson writes 1e22 or 1e+22 by its version; a key outlives versions, and Python's own repr is fixed.
_PYTHON_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def entity_of(item: Any, context: Any, paths: Sequence[str]) -> str | None:
    """The entity of a decision: a JSON array of the values at the paths, such as `["u1",7]`.

    1, "1" and true are three entities. No paths: `[]`, the one entity of the model. None when a value is
    missing, null or no scalar.
    """
    return entity_key([resolve(item, context, path) for path in paths])


def entity_key(values: Sequence[Any]) -> str | None:
    """The entity of these values, one a path; None when one of them is null or no finite scalar."""
    scalars = [value if type(value) is str else _scalar(value) for value in values]
    if None in scalars:
        return None
    if float in map(type, scalars):
        return _PYTHON_JSON.encode(scalars)
    return orjson.dumps(scalars).decode()


def _scalar(value: Any) -> str | float | None:
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, int) and _MIN_INTEGER <= value <= _MAX_INTEGER:
        return value
    if not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        return None
    number = float(value)
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number
