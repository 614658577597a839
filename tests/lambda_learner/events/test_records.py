"""Training records: labels that skip the join (DESIGN §2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_learner.events import BadRecord, Record, decode, ksuid

NOW_S = 1_795_406_033
ID = ksuid.encode(NOW_S, b"record---0000001")
FIELDS = {
    "type": "record",
    "message_id": ID,
    "model": "m",
    "entity": "u359",
    "label": 1,
    "weight": 2,
    "offset": -0.25,
    "features": [{"name": "genre", "term": "rock", "value": 1}, {"name": "age", "term": "", "value": 0.5}],
}


def read(**changes: Any) -> Record:
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not ...}
    event = decode(json.dumps(fields).encode(), arrival_ms=NOW_S * 1000)
    assert isinstance(event, Record)
    return event


def refusal(**changes: Any) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        read(**changes)
    return caught.value


def test_a_record_is_read_field_by_field() -> None:
    record = read()
    assert record[:6] == (ID, "m", '["u359"]', 1.0, 2.0, -0.25)
    assert record.features == (("genre", "rock", 1.0), ("age", "", 0.5))
    assert (record.arrival_ms, record.event_ms) == (NOW_S * 1000, NOW_S * 1000)


def test_weight_offset_and_entity_may_be_left_out_or_null() -> None:
    bare = read(weight=..., offset=..., entity=...)
    assert (bare.weight, bare.offset, bare.entity) == (1.0, 0.0, None)
    assert read(weight=None, offset=None, entity=None) == bare


def test_a_term_may_be_left_out_or_null_and_a_boolean_is_a_number() -> None:
    features = [{"name": "a", "value": True}, {"name": "b", "term": None, "value": 3}]
    assert read(features=features).features == (("a", "", 1.0), ("b", "", 3.0))
    assert read(features=[]).features == ()


@pytest.mark.parametrize(("entity", "key"), [(7, "[7]"), ("7", '["7"]'), (["a", 1], '["a",1]'), (True, "[true]")])
def test_an_entity_has_the_key_that_a_decision_of_it_has(entity: object, key: str) -> None:
    assert read(entity=entity).entity == key


def test_a_record_is_not_a_decision_even_with_a_count() -> None:
    assert read(count=3) == read()


def test_equal_records_have_equal_payloads_however_they_were_written() -> None:
    assert read(label=1.0, note="x", received_at=NOW_S * 1000).payload == read().payload
    assert read(label=0).payload != read().payload


def test_a_payload_is_itself_a_line_of_the_same_record() -> None:
    assert decode(read().payload.encode(), arrival_ms=NOW_S * 1000) == read()


@pytest.mark.parametrize("name", ["label", "features"])
def test_a_field_that_is_not_there_is_named(name: str) -> None:
    error = refusal(**{name: ...})
    assert (error.reason, error.field) == ("missing_field", name)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"label": None}, "label"),
        ({"label": "1"}, "label"),
        ({"weight": -1}, "weight"),
        ({"weight": "2"}, "weight"),
        ({"offset": []}, "offset"),
        ({"entity": {"id": 1}}, "entity"),
        ({"entity": []}, "entity"),
        ({"entity": ["a", None]}, "entity"),
        ({"features": None}, "features"),
        ({"features": {"name": "a"}}, "features"),
        ({"features": [7]}, "features[0]"),
        ({"features": [{"name": "a", "value": 1}, {"name": 1, "value": 1}]}, "features[1].name"),
        ({"features": [{"value": 1}]}, "features[0].name"),
        ({"features": [{"name": "a", "term": 1, "value": 1}]}, "features[0].term"),
        ({"features": [{"name": "a"}]}, "features[0].value"),
        ({"features": [{"name": "a", "value": "1"}]}, "features[0].value"),
    ],
)
def test_a_field_of_another_kind_is_refused(changes: dict[str, Any], field: str) -> None:
    error = refusal(**changes)
    assert (error.reason, error.field) == ("bad_record", field)
    assert field in str(error)


def test_ids_and_models_obey_the_common_rules() -> None:
    assert refusal(message_id="x").reason == "bad_message_id"
    assert refusal(model="a b").reason == "bad_model"
