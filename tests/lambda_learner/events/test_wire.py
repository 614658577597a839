"""Rules that hold for every line: its bytes, its JSON, its ids, its times."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from lambda_learner.events import BadRecord, Decision, Reward, decode, ksuid

ARRIVAL_S = 1_795_406_033
ARRIVAL_MS = ARRIVAL_S * 1000
DECISION_ID = ksuid.encode(ARRIVAL_S - 1, b"decision-0000001")
REWARD_ID = ksuid.encode(ARRIVAL_S, b"reward---0000001")
DECISION = {"message_id": DECISION_ID, "model": "songs", "item": 1, "count": 1}
REWARD = {"message_id": REWARD_ID, "model": "songs", "decision_id": DECISION_ID, "reward": 1.5}


def line(fields: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**fields, **changes}).encode()


def refusal(raw: bytes, **limits: int) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        decode(raw, arrival_ms=ARRIVAL_MS, **limits)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"\xff\xfe", "not_utf8"),
        (b'{"model":"caf\xe9"}', "not_utf8"),
        (b"hello", "not_json"),
        (b'{"a":1', "not_json"),
        (b'{"a":NaN}', "not_json"),
        (b'{"a":-Infinity}', "not_json"),
        (b'{"a":1e400}', "not_json"),
        (b'{"a":"\\ud800"}', "not_json"),
        (b'\xef\xbb\xbf{"a":1}', "not_json"),
        (b'{"a":1}{"a":1}', "not_json"),
        (b"null", "not_object"),
        (b"[]", "not_object"),
        (b'"text"', "not_object"),
        (b"7", "not_object"),
        (b"[" * 5000 + b"]" * 5000, "too_deep"),
    ],
)
def test_bytes_that_are_no_json_object_are_refused(raw: bytes, reason: str) -> None:
    assert refusal(raw).reason == reason


def test_a_line_over_the_size_limit_is_refused_unread() -> None:
    raw = line(DECISION)
    assert isinstance(decode(raw, arrival_ms=ARRIVAL_MS, max_message_bytes=len(raw)), Decision)
    error = refusal(raw, max_message_bytes=len(raw) - 1)
    assert (error.reason, error.value) == ("too_large", f"{len(raw)} bytes")


def test_a_newline_at_the_end_does_no_harm() -> None:
    assert decode(line(REWARD) + b"\r\n", arrival_ms=ARRIVAL_MS) == decode(line(REWARD), arrival_ms=ARRIVAL_MS)


def test_unknown_fields_are_ignored() -> None:
    odd = {"type": 7, "history_id": "x", "$value": None, "item2": [[]]}
    assert decode(line(REWARD, **odd), arrival_ms=ARRIVAL_MS) == decode(line(REWARD), arrival_ms=ARRIVAL_MS)


def test_of_duplicate_keys_the_last_one_counts() -> None:
    raw = line(REWARD)[:-1] + b',"reward":2,"reward":3}'
    event = decode(raw, arrival_ms=ARRIVAL_MS)
    assert isinstance(event, Reward)
    assert event.value == 3.0


@pytest.mark.parametrize("fields", [DECISION, REWARD], ids=["decision", "reward"])
@pytest.mark.parametrize("value", [None, 7, True, "", "z" * 27, DECISION_ID + "\n", "-" * 27, [DECISION_ID]])
def test_a_message_id_that_is_no_ksuid_is_refused(fields: dict[str, Any], value: object) -> None:
    error = refusal(line(fields, message_id=value))
    assert (error.reason, error.field) == ("bad_message_id", "message_id")


@pytest.mark.parametrize("model", ["a", "A9", "0.-_", "x" * 64, "songs-2.0"])
def test_a_model_name_of_64_ascii_characters_is_taken(model: str) -> None:
    event = decode(line(DECISION, model=model), arrival_ms=ARRIVAL_MS)
    assert isinstance(event, Decision)
    assert event.model == model


@pytest.mark.parametrize(
    "model",
    [None, 1, "", "x" * 65, "_a", "-a", ".a", "a\n", "a b", "a/b", "é", "modèle", "a٣", "../x", "a\x00"],
)
def test_any_other_model_name_is_refused(model: object) -> None:
    error = refusal(line(DECISION, model=model))
    assert (error.reason, error.field) == ("bad_model", "model")


@pytest.mark.parametrize(
    ("fields", "name"),
    [(DECISION, "message_id"), (DECISION, "model"), (REWARD, "message_id"), (REWARD, "model")]
    + [(REWARD, "decision_id"), (REWARD, "reward")],
)
def test_a_field_that_is_not_there_is_named(fields: dict[str, Any], name: str) -> None:
    error = refusal(json.dumps({key: fields[key] for key in fields if key != name}).encode())
    assert (error.reason, error.field) == ("missing_field", name)
    assert name in str(error)


@pytest.mark.parametrize(
    ("raw", "field", "value"),
    [
        (line(DECISION, count=0), "count", "0"),
        (line(DECISION, model="a b"), "model", '"a b"'),
        (line(REWARD, reward="much"), "reward", '"much"'),
        (line(REWARD, decision_id=5), "decision_id", "5"),
        (line(DECISION, sample=3), "sample", "3"),
        (line(DECISION, received_at="now"), "received_at", '"now"'),
    ],
)
def test_a_message_names_the_field_the_value_and_the_rule(raw: bytes, field: str, value: str) -> None:
    error = refusal(raw)
    assert (error.field, error.value) == (field, value)
    assert str(error) == f"{field} {error.rule}, got {value}"
    assert len(error.rule) > 10


@pytest.mark.parametrize("value", ["long" * 1000, {"key": "é" * 500}])
def test_a_long_value_is_cut_to_200_characters(value: object) -> None:
    assert len(refusal(line(DECISION, model=value)).value) == 200


def test_a_value_too_deep_to_print_is_shown_all_the_same() -> None:
    deep = b"[" * 900 + b"]" * 900
    error = refusal(line(DECISION, model="HERE").replace(b'"HERE"', deep))
    assert error.reason == "bad_model"
    assert 0 < len(error.value) <= 200


def test_a_refusal_survives_pickling() -> None:
    error = refusal(line(DECISION, count=0))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.reason, copy.field, copy.value) == (str(error), "bad_count", "count", "0")
