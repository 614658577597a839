from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.events import BadRecord, Heartbeat, decode, ksuid
from lambda_learner.events.accept import Acceptance, heartbeat_line, stored

NOW_S = 1_795_406_033
NOW_MS = NOW_S * 1000
ID = ksuid.encode(NOW_S, b"decision-0000001")
OTHER = ksuid.encode(NOW_S, b"decision-0000002")
DECISION = {"message_id": ID, "model": "songs", "item": {"genre": "rock"}, "count": 2, "sample": None}
REWARD = {"message_id": ID, "model": "songs", "decision_id": ID, "reward": 1.0}
VERSION_7 = {"type": "decision", "message_id": ID, "model": "songs", "variant": {"$value": 1}, "count": 1}
RECORD = {"type": "record", "message_id": ID, "model": "songs", "label": 1, "features": []}
LINES: list[dict[str, Any]] = [DECISION, REWARD, VERSION_7, RECORD]
NAMES = sorted({name for line in LINES for name in line} | {"received_at", "runners_up", "context"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(ID),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["$value", "a", ""]), inner),
    max_leaves=6,
)


def stored_line(body: bytes, **options: Any) -> bytes:
    return stored(body, **options).line


def body_of(fields: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**fields, **changes}).encode()


def refusal(body: bytes, acceptance: Acceptance = "strict") -> BadRecord:
    with pytest.raises(BadRecord) as raised:
        stored_line(body, received_ms=NOW_MS, acceptance=acceptance)
    return raised.value


@pytest.mark.parametrize("fields", LINES)
@pytest.mark.parametrize("acceptance", ["strict", "original"])
def test_a_line_is_the_body_with_its_time_of_arrival(fields: dict[str, Any], acceptance: Acceptance) -> None:
    line = stored_line(body_of(fields), received_ms=NOW_MS, acceptance=acceptance)
    assert json.loads(line) == {**fields, "received_at": NOW_MS}


@pytest.mark.parametrize("theirs", [0, NOW_MS + 10**9, "yesterday", None])
def test_the_time_of_arrival_is_the_endpoint_s_whatever_the_body_says(theirs: object) -> None:
    line = stored_line(body_of(REWARD, received_at=theirs), received_ms=NOW_MS)
    assert json.loads(line)["received_at"] == NOW_MS


def test_a_body_of_many_lines_becomes_one() -> None:
    body = json.dumps({**DECISION, "item": "two\nlines"}, indent=2).replace("\n", "\r\n").encode()
    line = stored_line(body, received_ms=NOW_MS)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert json.loads(line)["item"] == "two\nlines"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"message_id": "short"}, "message_id must be a KSUID"),
        ({"model": "-"}, 'model must be 1 to 64 of a-zA-Z0-9_-. with a letter or digit first, got "-"'),
        ({"count": 0}, "count must be an integer ≥ 1, got 0"),
        ({"message_id": ksuid.encode(NOW_S + 901, bytes(16))}, "message_id must carry a time that is not after"),
        ({"type": "heartbeat", "time": NOW_MS}, "type must not be heartbeat: the endpoint writes those itself"),
    ],
)
def test_strict_refuses_what_the_job_could_not_read(changes: dict[str, Any], message: str) -> None:
    assert message in str(refusal(body_of(DECISION, **changes)))


@pytest.mark.parametrize("changes", [{"model": "-"}, {"count": 0}, {"message_id": "z" * 27}, {"type": "heartbeat"}])
def test_the_original_check_looks_at_the_message_id_only(changes: dict[str, Any]) -> None:
    assert stored_line(body_of(DECISION, **changes), received_ms=NOW_MS, acceptance="original")


@pytest.mark.parametrize("message_id", ["", "a" * 26, "a" * 28, "a" * 27 + "\n", "a" * 26 + "_", "ä" * 27, 7, None])
def test_the_original_check_refuses_other_message_ids(message_id: object) -> None:
    bad = refusal(body_of(DECISION, message_id=message_id), "original")
    assert (bad.reason, bad.field) == ("bad_message_id", "message_id")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body must not be empty, got b''"),
        (b"{", "body must be JSON"),
        (b"\xff", "body must be UTF-8"),
        (b"[]", "body must be a JSON object, got []"),
        (b"null", "body must be a JSON object, got null"),
        (b"{}", "message_id must be there"),
        (b"[" * 2000 + b"]" * 2000, "body must nest at most 1024 levels deep"),
        (b'{"message_id":"a","x":' + b"[" * 400 + b"]" * 400 + b"}", "must"),
    ],
)
@pytest.mark.parametrize("acceptance", ["strict", "original"])
def test_what_is_no_object_with_an_id_is_refused(body: bytes, message: str, acceptance: Acceptance) -> None:
    assert message in str(refusal(body, acceptance))


@pytest.mark.parametrize("acceptance", ["strict", "original"])
def test_a_line_that_would_be_too_large_for_the_job_is_refused(acceptance: Acceptance) -> None:
    fitting = stored_line(body_of(REWARD), received_ms=NOW_MS, max_message_bytes=1_000)
    again = stored_line(body_of(REWARD), received_ms=NOW_MS, max_message_bytes=len(fitting), acceptance=acceptance)
    assert again == fitting
    with pytest.raises(BadRecord, match=r"body must be at most \d+ bytes"):
        stored_line(body_of(REWARD), received_ms=NOW_MS, max_message_bytes=len(fitting) - 1, acceptance=acceptance)


def test_a_heartbeat_s_line_is_read_as_one() -> None:
    line = heartbeat_line(NOW_MS)
    assert line == b'{"type":"heartbeat","time":%d}\n' % NOW_MS
    assert decode(line[:-1], arrival_ms=NOW_MS + 5) == Heartbeat(NOW_MS, NOW_MS + 5, NOW_MS)


def check(body: bytes) -> None:
    """Strict gives a line that the job accepts, original at least a line; else a BadRecord."""
    for acceptance in ("strict", "original"):
        try:
            line = stored_line(body, received_ms=NOW_MS, acceptance=acceptance)
        except BadRecord:
            continue
        assert (line.count(b"\n"), line.count(b"\r"), line[-1:]) == (1, 0, b"\n")
        if acceptance == "strict":
            assert decode(line[:-1], arrival_ms=NOW_MS + 2_000).arrival_ms == NOW_MS


@given(st.binary(max_size=200))
def test_any_bytes_become_a_line_or_a_bad_record(body: bytes) -> None:
    check(body)


@given(st.sampled_from(LINES), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3))
def test_what_is_accepted_is_accepted_again_by_the_job(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    check(body_of(fields, **changes))


@given(st.sampled_from(LINES), st.data())
def test_broken_bodies_become_a_line_or_a_bad_record(fields: dict[str, Any], data: st.DataObject) -> None:
    raw = bytearray(json.dumps(fields).encode())
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    check(bytes(raw))


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (DECISION, ID),
        (REWARD | {"message_id": OTHER}, ID),
        (REWARD | {"message_id": OTHER, "count": 1, "item": 1}, OTHER),  # count and decision_id: a decision
        (RECORD | {"message_id": OTHER}, OTHER),
    ],
)
def test_a_decision_and_its_rewards_have_one_key(fields: dict[str, Any], key: str) -> None:
    assert stored(body_of(fields), received_ms=NOW_MS).key == key


def test_what_names_no_decision_has_its_own_id_as_key() -> None:
    assert stored(body_of({"message_id": OTHER}), received_ms=NOW_MS, acceptance="original").key == OTHER
