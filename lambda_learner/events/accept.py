"""What a request to the track endpoint becomes: the line that is stored, or BadRecord (improve_protocol.md §1–§3).

`strict` takes what `wire.decode` makes an event of. `original` is the check of the original endpoint, for old clients:
a JSON object whose message_id is 27 letters and digits; what else is wrong with it becomes a dead letter of the job.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias

import orjson

from lambda_learner.events.bad_record import BadRecord, show
from lambda_learner.events.fields import Fields, canonical_json, missing
from lambda_learner.events.wire import MAX_CLOCK_SKEW_MS, MAX_MESSAGE_BYTES, decode

__all__ = ["Acceptance", "Stored", "heartbeat_line", "stored"]

Acceptance: TypeAlias = Literal["strict", "original"]

_MESSAGE_ID: Final = re.compile(r"[a-zA-Z0-9]{27}")


class Stored(NamedTuple):
    """What is stored of a request: a line with its newline, and what partitions it, the id of its decision.

    A decision's own id is its message_id. What names no decision at all has its message_id as key.
    """

    line: bytes
    key: str


def stored(
    body: bytes,
    *,
    received_ms: int,
    acceptance: Acceptance = "strict",
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    max_clock_skew_ms: int = MAX_CLOCK_SKEW_MS,
) -> Stored:
    """The line for a body and its key; raises BadRecord, and nothing else, when the body breaks a rule.

    It is one line whatever the body's white space, and `received_at` is the endpoint's, whatever the body says.
    """
    fields = _fields(body)
    if fields.get("type") == "forget":  # whoever may send events may not have another's forgotten
        rule = "must not be forget: that is the command `lambda-learner forget`"
        raise BadRecord(reason="bad_forget", field="type", value=show("forget"), rule=rule)
    if acceptance == "original":
        _check_as_the_original(fields)
    elif fields.get("type") == "heartbeat":
        rule = "must not be heartbeat: the endpoint writes those itself"
        raise BadRecord(reason="bad_heartbeat", field="type", value=show("heartbeat"), rule=rule)
    line = canonical_json({**fields, "received_at": received_ms}).encode() + b"\n"
    if len(line) > max_message_bytes:
        rule = f"must be at most {max_message_bytes} bytes with its time of arrival (max_message_bytes)"
        raise BadRecord(reason="too_large", field="body", value=f"{len(line)} bytes", rule=rule)
    if acceptance == "strict":
        decode(line, arrival_ms=received_ms, max_message_bytes=max_message_bytes, max_clock_skew_ms=max_clock_skew_ms)
    return Stored(line, _key(fields))


def _key(fields: Fields) -> str:
    decision_id = fields.get("decision_id") if fields.get("count") is None else None
    is_id = isinstance(decision_id, str) and _MESSAGE_ID.fullmatch(decision_id)
    return str(decision_id if is_id else fields["message_id"])


def heartbeat_line(time_ms: int) -> bytes:
    """The line that says that time has passed, though no event may have come."""
    return orjson.dumps({"type": "heartbeat", "time": time_ms}, option=orjson.OPT_APPEND_NEWLINE)


def _fields(body: bytes) -> Fields:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unreadable(body) from error
    if not isinstance(fields, dict):
        raise BadRecord(reason="not_object", field="body", value=show(fields), rule="must be a JSON object")
    return fields


def _unreadable(body: bytes) -> BadRecord:
    """Why a body is no JSON, in the words of the wire format."""
    try:
        decode(body, arrival_ms=0, max_message_bytes=len(body))
    except BadRecord as bad:
        return BadRecord(bad.reason, "body", bad.value, bad.rule)
    message = "decode reads what is no JSON"
    raise AssertionError(message)


def _check_as_the_original(fields: Fields) -> None:
    message_id = fields.get("message_id")
    if isinstance(message_id, str) and _MESSAGE_ID.fullmatch(message_id):
        return
    if "message_id" not in fields:
        raise missing(field="message_id", accepted="27 characters of a-zA-Z0-9")
    rule = "must be 27 characters of a-zA-Z0-9"
    raise BadRecord(reason="bad_message_id", field="message_id", value=show(message_id), rule=rule)
