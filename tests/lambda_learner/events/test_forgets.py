"""Lines that have an entity forgotten."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from lambda_learner.events import BadRecord, decode, ksuid
from lambda_learner.events.accept import stored
from lambda_learner.events.forgets import FORGET_DELAY_MS, forget_line
from lambda_learner.events.schema import Forget

NOW_S = 1_795_406_033
ID = ksuid.encode(NOW_S, b"forget---0000001")
FIELDS = {"type": "forget", "message_id": ID, "model": "m", "entity": ["u1"]}


def read(**changes: Any) -> Forget:
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not ...}
    event = decode(json.dumps(fields).encode(), arrival_ms=NOW_S * 1000)
    assert isinstance(event, Forget)
    return event


def refusal(**changes: Any) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        read(**changes)
    return caught.value


def test_a_line_is_read_field_by_field() -> None:
    payload = f'{{"entity":["u1"],"message_id":"{ID}","model":"m","type":"forget"}}'
    until_ms = NOW_S * 1000 + FORGET_DELAY_MS
    assert read() == (ID, "m", '["u1"]', 1, until_ms, NOW_S * 1000, NOW_S * 1000, payload)


def test_what_the_command_writes_is_such_a_line() -> None:
    line = forget_line(ID, "m", ["u1"], received_ms=NOW_S * 1000 + 5)
    event = decode(line, arrival_ms=NOW_S * 1000 + 99)
    assert event == read(received_at=NOW_S * 1000 + 5)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")


@pytest.mark.parametrize(
    ("entity", "key", "values"),
    [("u", '["u"]', 1), (7, "[7]", 1), (7.0, "[7]", 1), ("7", '["7"]', 1), (["a", True], '["a",true]', 2)],
)
def test_an_entity_has_the_key_that_a_decision_of_it_has(entity: object, key: str, values: int) -> None:
    assert (read(entity=entity).entity, read(entity=entity).values) == (key, values)


@pytest.mark.parametrize("entity", [[], [None], [["u"]], {"u": 1}, [{}]])
def test_what_is_no_entity_is_refused(entity: object) -> None:
    refused = refusal(entity=entity)
    assert (refused.reason, refused.field) == ("bad_forget", "entity")
    assert str(refused).startswith("entity must be a text, a number, a boolean, or a list of those, got ")


@pytest.mark.parametrize("entity", [..., None])
def test_a_line_without_an_entity_is_refused(entity: object) -> None:
    assert (refusal(entity=entity).reason, refusal(entity=entity).field) == ("missing_field", "entity")


def test_an_id_far_ahead_is_refused() -> None:
    assert refusal(message_id=ksuid.encode(NOW_S + 3600, bytes(16))).reason == "clock_ahead"


def test_an_id_moves_time_no_further_than_its_arrival() -> None:
    ahead = read(message_id=ksuid.encode(NOW_S + 600, bytes(16)))
    assert (ahead.event_ms, ahead.until_ms) == (NOW_S * 1000, (NOW_S + 600) * 1000 + FORGET_DELAY_MS)


@pytest.mark.parametrize("acceptance", ["strict", "original"])
def test_the_endpoint_takes_none(acceptance: Literal["strict", "original"]) -> None:
    with pytest.raises(BadRecord, match="type must not be forget") as caught:
        stored(json.dumps(FIELDS).encode(), received_ms=NOW_S * 1000, acceptance=acceptance)
    assert caught.value.reason == "bad_forget"
