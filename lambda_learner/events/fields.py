"""Readers of the fields that more than one kind of line has; each gives the value or raises BadRecord."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson

from lambda_learner.events import ksuid
from lambda_learner.events.bad_record import BadRecord, Reason, show

__all__ = ["Fields", "canonical_json", "id_ms", "milliseconds", "missing", "model_name"]

Fields: TypeAlias = dict[str, Any]  # one line as JSON gives it

# ASCII and the full text: the original's pattern let other alphabets and a trailing newline pass,
# and the name becomes part of object keys.
_MODEL: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_\-.]{0,63}")
_MODEL_MAX_CHARACTERS: Final = 64
_CACHED_MODELS: Final = 4096  # names of at most 64 characters: a few hundred KB


def id_ms(fields: Fields, name: Literal["message_id", "decision_id"], *, latest_ms: int) -> int:
    """The time of the id in a field; it may not be after `latest_ms`."""
    text = fields.get(name)
    try:
        time_ms = ksuid.unix_seconds(text) * 1000 if isinstance(text, str) else None
    except ValueError:
        time_ms = None
    if time_ms is None or time_ms > latest_ms:
        raise _bad_id(fields, name, time_ms=time_ms, latest_ms=latest_ms)
    return time_ms


def _bad_id(
    fields: Fields, name: Literal["message_id", "decision_id"], *, time_ms: int | None, latest_ms: int
) -> BadRecord:
    if name not in fields:
        return missing(field=name, accepted="a KSUID")
    value = show(fields[name])
    if time_ms is not None:
        return _clock_ahead(name, value=f"{value} (time {time_ms})", latest_ms=latest_ms)
    reason: Reason = "bad_message_id" if name == "message_id" else "bad_decision_id"
    rule = f"must be a KSUID: {ksuid.LENGTH} characters of 0-9A-Za-z, at most {ksuid.MAX}"
    return BadRecord(reason=reason, field=name, value=value, rule=rule)


def model_name(fields: Fields) -> str:
    """The model's name: 1 to 64 ASCII letters, digits and `_-.`, the first one a letter or digit."""
    name = fields.get("model")
    if isinstance(name, str) and len(name) <= _MODEL_MAX_CHARACTERS and _is_model_name(name):
        return name
    if "model" not in fields:
        raise missing(field="model", accepted="a text")
    rule = "must be 1 to 64 of a-zA-Z0-9_-. with a letter or digit first"
    raise BadRecord(reason="bad_model", field="model", value=show(name), rule=rule)


@lru_cache(maxsize=_CACHED_MODELS)
def _is_model_name(name: str) -> bool:
    return _MODEL.fullmatch(name) is not None


def milliseconds(
    fields: Fields, name: str, *, reason: Literal["bad_received_at", "bad_heartbeat"], latest_ms: int
) -> int:
    """An instant in a field, in ms since the Unix epoch; it may not be after `latest_ms`."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        if name not in fields:
            raise missing(field=name, accepted="an integer")
        rule = "must be an integer ≥ 0, ms since 1970-01-01 UTC"
        raise BadRecord(reason=reason, field=name, value=show(value), rule=rule)
    if value > latest_ms:
        raise _clock_ahead(name, value=show(value), latest_ms=latest_ms)
    return value


def canonical_json(fields: Fields) -> str:
    """JSON with sorted keys and no spaces: one text for equal values."""
    try:
        return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as error:  # what was read as JSON fails by its depth only
        field = next(name for name in fields if _is_too_deep(fields[name]))
        rule = "must nest at most about 250 levels deep"
        raise BadRecord(reason="too_deep", field=field, value=show(fields[field]), rule=rule) from error


def _is_too_deep(value: object) -> bool:
    try:
        orjson.dumps([value])  # one level down, as it was in its line
    except orjson.JSONEncodeError:
        return True
    return False


def missing(*, field: str, accepted: str) -> BadRecord:
    """The refusal of a line without a field that its kind needs."""
    return BadRecord(reason="missing_field", field=field, value="nothing", rule=f"must be there, {accepted}")


def _clock_ahead(name: str, *, value: str, latest_ms: int) -> BadRecord:
    rule = f"must carry a time that is not after {latest_ms} (arrival + max_clock_skew): check the clock"
    return BadRecord(reason="clock_ahead", field=name, value=value, rule=rule)
