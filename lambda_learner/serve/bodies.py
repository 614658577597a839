"""The events that a Tracker sends, as the endpoint takes them (improve_protocol.md §2), or an error for the caller."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson

from lambda_learner.events.bad_record import MAX_VALUE_CHARACTERS, BadRecord
from lambda_learner.events.fields import model_name
from lambda_learner.events.wire import MAX_MESSAGE_BYTES, decode

__all__ = ["ABSENT", "candidate_list", "checked_model", "decision_body", "plain", "reward_body"]

ABSENT: Final = object()  # no sample at all; None is a sample that is null
MAX_BODY_BYTES: Final = MAX_MESSAGE_BYTES - 64  # the endpoint adds the time of arrival
# What the wire calls otherwise than the calls do.
_ARGUMENTS: Final = {"decision_id": "reward_id", "model": "model_name", "count": "num_candidates", "line": "event"}


def candidate_list(candidates: Any) -> list[Any]:
    """The candidates of a list, a tuple or an array; TypeError, or ValueError when there is none."""
    values = candidates.tolist() if isinstance(candidates, np.ndarray) and candidates.ndim else candidates
    if not isinstance(values, list | tuple):
        message = f"candidates must be a list, a tuple or an array of one or more dimensions, got {_show(candidates)}"
        raise TypeError(message)
    if not values:
        message = "candidates must hold at least one item, the chosen one, got none"
        raise ValueError(message)
    return list(values)


def plain(value: Any) -> Any:
    """An array or a number of NumPy as Python's own, anything else as it is."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def checked_model(name: str) -> str:
    """The name of a model, or ValueError."""
    try:
        return model_name({"model": name})
    except BadRecord as bad:
        raise _argument_error(bad) from None


def decision_body(fields: Mapping[str, Any], *, now_ms: int) -> bytes:
    """A decision; None is left out but for item and sample, and so is a sample that is ABSENT."""
    kept = {name: value for name, value in fields.items() if value is not None or name in ("item", "sample")}
    if kept.get("sample") is ABSENT:
        del kept["sample"]
    return _checked(kept, now_ms)


def reward_body(fields: Mapping[str, Any], *, now_ms: int) -> bytes:
    """A reward."""
    reward = plain(fields["reward"])
    if not isinstance(reward, int | float) or not _is_finite(reward):
        message = f"reward must be a finite number, got {_show(reward)}"
        raise ValueError(message)
    return _checked({**fields, "reward": float(reward)}, now_ms)


def _checked(fields: Mapping[str, Any], now_ms: int) -> bytes:
    """The event as JSON, checked by the same rules as the endpoint's: what it would refuse, the caller hears of."""
    try:
        body = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise _not_json(fields, error) from error
    try:
        decode(body, arrival_ms=now_ms, max_message_bytes=MAX_BODY_BYTES)
    except BadRecord as bad:
        raise _argument_error(bad) from None
    return body


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond all floats
        return False


def _not_json(fields: Mapping[str, Any], error: orjson.JSONEncodeError) -> TypeError:
    for name, value in fields.items():
        try:
            orjson.dumps([value], option=orjson.OPT_SERIALIZE_NUMPY)
        except orjson.JSONEncodeError:
            accepted = "null, booleans, texts, numbers of at most 64 bits, and lists and objects of those"
            return TypeError(f"{_ARGUMENTS.get(name, name)} must be JSON ({accepted}; {error}), got {_show(value)}")
    return TypeError(f"event must be JSON: {error}")


def _argument_error(bad: BadRecord) -> ValueError:
    return ValueError(f"{_ARGUMENTS.get(bad.field, bad.field)} {bad.rule}, got {bad.value}")


def _show(value: object) -> str:
    return repr(value)[:MAX_VALUE_CHARACTERS]
