"""Lines that have an entity forgotten: a kind of our own, which `lambda-learner forget` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from lambda_learner.events import ksuid
from lambda_learner.events.bad_record import BadRecord, show
from lambda_learner.events.fields import Fields, canonical_json, missing
from lambda_learner.events.schema import Forget
from lambda_learner.features.entity import entity_key

__all__ = ["FORGET_DELAY_MS", "entity_values", "forget", "forget_line", "until_ms_of"]

# An entity is forgotten as of so long after its line was written: so long, and the out-of-orderness, the line may take
# to be read and still is in time for its window.
FORGET_DELAY_MS: Final = 60_000
_VALUES: Final = "a text, a number, a boolean, or a list of those"


def forget(fields: Fields, *, model: str, written_ms: int, arrival_ms: int) -> Forget:
    """The event of a line of that type; its id and model are checked already."""
    if fields.get("entity") is None:
        raise missing(field="entity", accepted=_VALUES)
    values = entity_values(fields["entity"])
    entity = entity_key(values) if values else None
    if entity is None:
        rule = f"must be {_VALUES}"
        raise BadRecord(reason="bad_forget", field="entity", value=show(fields["entity"]), rule=rule)
    message_id: str = fields["message_id"]
    payload = canonical_json({"entity": values, "message_id": message_id, "model": model, "type": "forget"})
    event_ms = min(written_ms, arrival_ms)
    return Forget(message_id, model, entity, len(values), until_ms_of(message_id), arrival_ms, event_ms, payload)


def forget_line(message_id: str, model: str, values: Sequence[Any], *, received_ms: int) -> bytes:
    """The line, with its newline, that has the entity of these values forgotten (one value for each entity path)."""
    fields = {"type": "forget", "message_id": message_id, "model": model, "entity": list(values)}
    return orjson.dumps(fields | {"received_at": received_ms}, option=orjson.OPT_APPEND_NEWLINE)


def until_ms_of(message_id: str) -> int:
    """Up to when an entity is forgotten, by the id of the line: what was decided then, or before, counts no more."""
    return ksuid.unix_seconds(message_id) * 1000 + FORGET_DELAY_MS


def entity_values(value: Any) -> list[Any]:
    """The values of an entity, one for each entity path; a value by itself is that of a single path."""
    return value if isinstance(value, list) else [value]
