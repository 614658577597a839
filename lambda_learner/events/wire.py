"""From the bytes of a line to the event it is: the only validation in the project.

    decode ─┬─ object of JSON ── arrival ─┬─ heartbeat
            │                             ├─ training record    records.py
            └─ BadRecord                  ├─ forget             forgets.py
                                          ├─ decision (a count) decisions.py, version7.py
                                          └─ reward             decisions.py

Of duplicate keys the last one counts; integers over 64 bits are read as floats; unknown fields are ignored.
A typical line of 190 bytes costs about 4 µs.
"""

from __future__ import annotations

from typing import Final

import orjson

from lambda_learner.events.bad_record import BadRecord, show
from lambda_learner.events.decisions import decision, reward
from lambda_learner.events.fields import Fields, id_ms, milliseconds, model_name
from lambda_learner.events.forgets import forget
from lambda_learner.events.records import training_record
from lambda_learner.events.schema import Event, Heartbeat

__all__ = ["MAX_CLOCK_SKEW_MS", "MAX_MESSAGE_BYTES", "BadRecord", "decode"]

MAX_MESSAGE_BYTES: Final = 1_024_000  # 1,000 KiB, what the original's queue takes
MAX_CLOCK_SKEW_MS: Final = 900_000  # 15 minutes: what the original's buffering forgives a fast clock


def decode(
    raw: bytes,
    *,
    arrival_ms: int,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    max_clock_skew_ms: int = MAX_CLOCK_SKEW_MS,
) -> Event:
    """The event of one line; raises BadRecord, and nothing else, when the line breaks a rule.

    `arrival_ms` is when the reader got the line; the line's own `received_at` replaces it, but may not be
    further ahead of it than the skew: otherwise one forged line could carry time past the clock rule.
    """
    fields = _json_object(raw, max_message_bytes)
    received_ms = fields.get("received_at")
    if received_ms is not None:
        latest_ms = arrival_ms + max_clock_skew_ms
        if type(received_ms) is not int or not 0 <= received_ms <= latest_ms:
            received_ms = milliseconds(fields, "received_at", reason="bad_received_at", latest_ms=latest_ms)
        arrival_ms = received_ms
    latest_ms = arrival_ms + max_clock_skew_ms
    kind = fields.get("type")
    if kind == "heartbeat":
        time_ms = milliseconds(fields, "time", reason="bad_heartbeat", latest_ms=latest_ms)
        return Heartbeat(time_ms, arrival_ms, min(time_ms, arrival_ms))
    id_time_ms = id_ms(fields, "message_id", latest_ms=latest_ms)
    model = model_name(fields)
    if kind == "record":
        return training_record(fields, model=model, record_ms=id_time_ms, arrival_ms=arrival_ms)
    if kind == "forget":
        return forget(fields, model=model, written_ms=id_time_ms, arrival_ms=arrival_ms)
    if fields.get("count") is not None:
        return decision(fields, model=model, decision_ms=id_time_ms, arrival_ms=arrival_ms)
    return reward(fields, model=model, reward_ms=id_time_ms, arrival_ms=arrival_ms, latest_ms=latest_ms)


def _json_object(raw: bytes, max_message_bytes: int) -> Fields:
    if len(raw) > max_message_bytes:
        rule = f"must be at most {max_message_bytes} bytes (max_message_bytes)"
        raise BadRecord(reason="too_large", field="line", value=f"{len(raw)} bytes", rule=rule)
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _no_json(raw, error) from error
    if not isinstance(fields, dict):
        rule = "must be a JSON object"
        raise BadRecord(reason="not_object", field="line", value=show(fields), rule=rule)
    return fields


def _no_json(raw: bytes, error: orjson.JSONDecodeError) -> BadRecord:
    value = repr(raw[:40])
    if not raw.strip():
        return BadRecord(reason="empty", field="line", value=value, rule="must not be empty")
    try:
        raw.decode()
    except UnicodeDecodeError as fault:
        rule = f"must be UTF-8 ({fault.reason} at byte {fault.start})"
        return BadRecord(reason="not_utf8", field="line", value=value, rule=rule)
    if error.msg.startswith("depth limit"):
        rule = "must nest at most 1024 levels deep"
        return BadRecord(reason="too_deep", field="line", value=value, rule=rule)
    return BadRecord(reason="not_json", field="line", value=value, rule=f"must be JSON ({error})")
