"""Laws of decode: it gives an event or raises BadRecord, whatever the bytes, and never moves time ahead."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.events import BadRecord, Decision, Event, decode, ksuid
from lambda_learner.events.fields import canonical_json

NOW_S = 1_795_406_033
NOW_MS = NOW_S * 1000
ID = ksuid.encode(NOW_S, b"decision-0000001")
FEATURES = [{"name": "a", "term": "b", "value": 1}]
LINES: list[dict[str, Any]] = [
    {
        "message_id": ID,
        "model": "m",
        "item": {"a": [1, "x"]},
        "count": 3,
        "sample": None,
        "context": {"h": 9},
    },
    {"message_id": ID, "model": "m", "variant": {"$value": 1}, "count": 3, "runners_up": [1], "sample": {}},
    {"message_id": ID, "model": "m", "decision_id": ID, "reward": 1.5, "received_at": NOW_MS},
    {"type": "record", "message_id": ID, "model": "m", "entity": "u", "label": 1, "features": FEATURES},
    {"type": "heartbeat", "time": NOW_MS},
]
NAMES = sorted({name for line in LINES for name in line})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(ID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["$value", "a", ""]), inner),
    max_leaves=6,
)


def attempt(raw: bytes) -> Event | BadRecord:
    try:
        return decode(raw, arrival_ms=NOW_MS)
    except BadRecord as error:
        assert error.reason
        assert str(error).startswith(error.field)
        assert len(error.value) <= 200
        return error


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_a_bad_record(raw: bytes) -> None:
    attempt(raw)


@given(st.sampled_from(LINES), st.data())
def test_a_valid_line_with_broken_bytes_raises_nothing_but_a_bad_record(
    fields: dict[str, Any], data: st.DataObject
) -> None:
    raw = bytearray(json.dumps(fields).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        raw = raw or bytearray(b"x")
    attempt(bytes(raw))


@given(st.sampled_from(LINES), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3))
def test_a_valid_line_with_other_values_raises_nothing_but_a_bad_record(
    fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    attempt(json.dumps({**fields, **changes}).encode())


@given(st.sampled_from(LINES), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3))
def test_event_time_is_never_after_arrival(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    event = attempt(json.dumps({**fields, **changes}).encode())
    if not isinstance(event, BadRecord):
        assert event.event_ms <= event.arrival_ms <= NOW_MS + 900_000


@given(st.sampled_from(LINES[:4]), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=2))
def test_a_payload_read_again_is_the_same_payload(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    event = attempt(json.dumps({**fields, **changes}).encode())
    if isinstance(event, Decision) and "runners_up" not in event.payload:
        again = decode(event.payload.encode(), arrival_ms=NOW_MS)
        assert isinstance(again, Decision)
        assert again.payload == event.payload


@given(st.sampled_from(LINES[:4]), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=2))
def test_the_core_of_a_payload_is_what_sorts_up_to_its_item(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    event = attempt(json.dumps({**fields, **changes}).encode())
    if isinstance(event, Decision):
        members = orjson.loads(event.payload)
        assert canonical_json(members) == event.payload
        assert orjson.loads(event.core) == {name: members[name] for name in members if name <= "item"}
