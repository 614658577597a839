"""A retrain request and what became of it, as a value and as the bucket's JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import orjson

from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import DamagedObject

__all__ = ["FORMAT_VERSION", "Cause", "DamagedRequest", "Record", "RetrainRequest", "State", "dumps", "loads"]

FORMAT_VERSION: Final = 1

Cause = Literal["schedule", "decisions", "drift", "manual"]
State = Literal["open", "claimed", "done", "failed"]
_CAUSES: Final[dict[str, Cause]] = {
    "schedule": "schedule",
    "decisions": "decisions",
    "drift": "drift",
    "manual": "manual",
}
_STATES: Final[dict[str, State]] = {"open": "open", "claimed": "claimed", "done": "done", "failed": "failed"}


class DamagedRequest(DamagedObject):
    """A retrain request cannot be read back."""

    remedy = "delete it, and ask again with `lambda-learner retrain` if the training is still wanted"


class RetrainRequest(NamedTuple):
    """What is asked for; the id is unique within the model, and the same for the same cause."""

    model: str
    request_id: str
    cause: Cause
    event_ms: int


@dataclass(frozen=True, slots=True)
class Record:
    """A request and what became of it.

    `expires_ms` is the end of the claim; `attempts` counts claims; `result` is the JSON object that `complete` was
    given, `reason` the text that `fail` was.
    """

    request: RetrainRequest
    state: State = "open"
    worker: str = ""
    expires_ms: int = 0
    attempts: int = 0
    finished_ms: int = 0
    reason: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    def is_free(self, now_ms: int) -> bool:
        """Whether a worker may claim it."""
        return self.state == "open" or (self.state == "claimed" and self.expires_ms <= now_ms)


def dumps(record: Record) -> bytes:
    """Give the record's text: the same for the same record."""
    fields = record.request._asdict() | {
        "state": record.state,
        "worker": record.worker,
        "expires_ms": record.expires_ms,
        "attempts": record.attempts,
        "finished_ms": record.finished_ms,
        "reason": record.reason,
        "result": record.result,
    }
    return to_text(fields, format_version=FORMAT_VERSION)


def loads(data: bytes, key: str) -> Record:
    """Read a record's text; DamagedRequest or NewerFormat name the key."""
    document = Document.parse(data, key, DamagedRequest, format_version=FORMAT_VERSION)
    request = RetrainRequest(
        document.text("model"),
        document.text("request_id"),
        _CAUSES[document.text("cause", among=tuple(_CAUSES))],
        document.integer("event_ms", minimum=-1),
    )
    document.child("result")  # must be an object, whatever is in it
    return Record(
        request,
        state=_STATES[document.text("state", among=tuple(_STATES))],
        worker=document.text("worker"),
        expires_ms=document.integer("expires_ms", minimum=0),
        attempts=document.integer("attempts", minimum=0),
        finished_ms=document.integer("finished_ms", minimum=0),
        reason=document.text("reason"),
        result=orjson.loads(data)["result"],
    )
