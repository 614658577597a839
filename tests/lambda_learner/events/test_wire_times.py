"""Event time, arrival time and the clock rule (DESIGN §2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_learner.events import BadRecord, Decision, Heartbeat, Record, Reward, decode, ksuid

NOW_S = 1_795_406_033
NOW_MS = NOW_S * 1000
SKEW_MS = 900_000


def an_id(ahead_s: int) -> str:
    return ksuid.encode(NOW_S + ahead_s, b"0123456789abcdef")


def decision(ahead_s: int, **fields: Any) -> bytes:
    return json.dumps({"message_id": an_id(ahead_s), "model": "m", "count": 1, **fields}).encode()


def reward(ahead_s: int, decision_ahead_s: int, **fields: Any) -> bytes:
    ids = {"message_id": an_id(ahead_s), "decision_id": an_id(decision_ahead_s)}
    return json.dumps({**ids, "model": "m", "reward": 1, **fields}).encode()


def heartbeat(time: Any, **fields: Any) -> bytes:
    return json.dumps({"type": "heartbeat", "time": time, **fields}).encode()


def reason(raw: bytes, arrival_ms: int = NOW_MS) -> tuple[str, str]:
    with pytest.raises(BadRecord) as caught:
        decode(raw, arrival_ms=arrival_ms)
    return caught.value.reason, caught.value.field


def test_the_event_time_is_the_ids_time() -> None:
    event = decode(decision(-5), arrival_ms=NOW_MS)
    assert isinstance(event, Decision)
    assert (event.decision_ms, event.arrival_ms, event.event_ms) == (NOW_MS - 5000, NOW_MS, NOW_MS - 5000)


def test_an_id_within_the_skew_keeps_its_raw_time_for_the_deadline_only() -> None:
    event = decode(decision(900), arrival_ms=NOW_MS)
    assert isinstance(event, Decision)
    assert (event.decision_ms, event.event_ms) == (NOW_MS + SKEW_MS, NOW_MS)


def test_a_reward_keeps_the_raw_time_of_its_decision() -> None:
    event = decode(reward(3, 900), arrival_ms=NOW_MS)
    assert isinstance(event, Reward)
    assert (event.decision_ms, event.event_ms) == (NOW_MS + SKEW_MS, NOW_MS)


def test_an_id_further_ahead_than_the_skew_is_refused() -> None:
    assert reason(decision(901)) == ("clock_ahead", "message_id")
    assert reason(reward(901, 0)) == ("clock_ahead", "message_id")
    assert reason(reward(0, 901)) == ("clock_ahead", "decision_id")


def test_the_skew_is_a_setting() -> None:
    with pytest.raises(BadRecord, match="message_id"):
        decode(decision(1), arrival_ms=NOW_MS, max_clock_skew_ms=999)
    assert decode(decision(1), arrival_ms=NOW_MS, max_clock_skew_ms=1000)


def test_the_lines_own_arrival_replaces_the_readers() -> None:
    event = decode(decision(0, received_at=NOW_MS + 7), arrival_ms=NOW_MS + 86_400_000)
    assert (event.arrival_ms, event.event_ms) == (NOW_MS + 7, NOW_MS)
    assert reason(decision(1000, received_at=NOW_MS), NOW_MS + 86_400_000) == ("clock_ahead", "message_id")


def test_a_forged_arrival_cannot_lift_the_clock_rule() -> None:
    year_2150_ms = 5_680_281_600_000
    assert reason(heartbeat(year_2150_ms, received_at=year_2150_ms)) == ("clock_ahead", "received_at")
    assert reason(decision(901, received_at=NOW_MS + SKEW_MS + 1)) == ("clock_ahead", "received_at")


def test_a_null_arrival_is_no_arrival() -> None:
    assert decode(decision(0, received_at=None), arrival_ms=NOW_MS).arrival_ms == NOW_MS


@pytest.mark.parametrize("received_at", ["now", 1.5, True, -1, [], {}])
def test_an_arrival_that_is_no_millisecond_count_is_refused(received_at: object) -> None:
    assert reason(decision(0, received_at=received_at)) == ("bad_received_at", "received_at")


def test_a_heartbeat_is_its_time_and_needs_nothing_else() -> None:
    assert decode(heartbeat(NOW_MS - 10), arrival_ms=NOW_MS) == Heartbeat(NOW_MS - 10, NOW_MS, NOW_MS - 10)


def test_a_heartbeat_never_moves_time_past_its_arrival() -> None:
    assert decode(heartbeat(NOW_MS + SKEW_MS), arrival_ms=NOW_MS).event_ms == NOW_MS
    assert reason(heartbeat(NOW_MS + SKEW_MS + 1)) == ("clock_ahead", "time")


@pytest.mark.parametrize("time", [None, "now", 1.5, True, -1, [NOW_MS]])
def test_a_heartbeat_without_a_millisecond_count_is_refused(time: object) -> None:
    assert reason(heartbeat(time)) == ("bad_heartbeat", "time")


def test_a_heartbeat_without_time_is_refused() -> None:
    assert reason(b'{"type":"heartbeat"}') == ("missing_field", "time")


def test_a_training_record_obeys_the_clock_rule_too() -> None:
    fields = {"type": "record", "label": 1, "features": []}
    event = decode(decision(900, **fields), arrival_ms=NOW_MS)
    assert isinstance(event, Record)
    assert event.event_ms == NOW_MS
    assert reason(decision(901, **fields)) == ("clock_ahead", "message_id")
