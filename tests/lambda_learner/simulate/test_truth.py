from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lambda_learner.simulate.lines import Line, decision_line, heartbeat_line, reward_line
from lambda_learner.simulate.truth import Rules, Truth

T = 1_704_067_200_000  # a whole minute
RULES = Rules(reward_window_ms=60_000, update_interval_ms=10_000, out_of_orderness_ms=30_000)
CLOSE = T + 60_000


def decision(arrival_ms: int = T, decision_id: str = "d", ms: int = T, variant: int = 0) -> Line:
    line = decision_line(ms, 0, model="m", decision_id=decision_id, rest='"count":1')
    return line._replace(arrival_ms=arrival_ms, variant=variant)


def reward(
    arrival_ms: int, reward_id: str = "r", decision_id: str = "d", ms: int | None = None, value: float = 1.0
) -> Line:
    line = reward_line(decision(decision_id=decision_id), ms or arrival_ms, 0, reward_id=reward_id, value=value)
    return line._replace(arrival_ms=arrival_ms)


def record(arrival_ms: int, message_id: str = "x", ms: int = T) -> Line:
    return Line(arrival_ms, 0, "record", "{", "m", message_id, ms)


def truth_of(lines: Iterable[Line], rules: Rules = RULES) -> dict[str, Any]:
    truth = Truth(rules)
    for _ in truth.watch(lines):
        pass
    return truth.result()


def counted(lines: Iterable[Line], rules: Rules = RULES) -> dict[str, int]:
    counters: dict[str, int] = truth_of(lines, rules)["counters"]
    return {name: number for name, number in counters.items() if number and name != "lines"}


def test_a_decision_and_its_rewards_join() -> None:
    truth = truth_of([decision(), reward(T + 5_000, value=0.5), reward(T + 6_000, "r2", value=0.25)])
    assert truth["rewards"] == {"m": {"d": 0.75}}
    assert truth["counters"]["joined"] == 1
    assert truth["counters"]["credited"] == 2


def test_a_decision_without_rewards_has_reward_0() -> None:
    assert truth_of([decision()])["rewards"] == {"m": {"d": 0.0}}


def test_a_copy_in_the_window_is_a_duplicate_and_after_it_late() -> None:
    on_time = CLOSE + 30_000 - 2
    lines = [decision(), decision(), heartbeat_line(on_time, 0), decision(on_time)]
    late = [heartbeat_line(on_time + 1, 0), decision(on_time + 1)]
    assert counted(lines)["duplicate_decisions"] == 2
    assert "late_decisions" not in counted(lines)
    assert counted(lines + late)["duplicate_decisions"] == 2
    assert counted(lines + late)["late_decisions"] == 1


def test_a_reward_seen_twice_counts_once_with_its_greatest_value() -> None:
    truth = truth_of([decision(), reward(T + 1000, value=1.0), reward(T + 1000, value=2.0)])
    assert truth["rewards"] == {"m": {"d": 2.0}}
    assert truth["counters"]["duplicate_rewards"] == 1


def test_a_reward_after_its_deadline_is_no_late_reward() -> None:
    late_and_after = [decision(), heartbeat_line(CLOSE + 90_000, 0), reward(CLOSE + 90_000)]
    assert counted(late_and_after)["after_deadline"] == 1
    assert "late_rewards" not in counted(late_and_after)
    assert counted([decision(), reward(CLOSE)])["credited"] == 1
    assert counted([decision(), reward(CLOSE + 1)])["after_deadline"] == 1


def test_a_reward_of_the_window_that_arrives_after_it_is_late() -> None:
    lines = [decision(), heartbeat_line(CLOSE + 30_000, 0), reward(CLOSE + 30_000, ms=T + 1000)]
    assert counted(lines)["late_rewards"] == 1
    assert truth_of(lines)["rewards"] == {"m": {"d": 0.0}}


def test_a_reward_without_a_decision_is_an_orphan_and_its_copy_a_duplicate() -> None:
    counters = counted([reward(T + 1000), reward(T + 1000)])
    assert counters == {"rewards": 2, "orphan_rewards": 1, "duplicate_rewards": 1}


def test_copies_that_differ_are_a_conflict() -> None:
    counters = counted([decision(), decision(variant=1)])
    assert counters == {"decisions": 2, "joined": 1, "duplicate_decisions": 1, "conflicts": 1}


def test_a_clock_ahead_of_its_arrival_by_more_than_the_skew_is_a_dead_letter() -> None:
    truth = truth_of([decision(T, ms=T + 900_001), decision(T, ms=T + 900_000)])
    assert truth["dead_letters"] == {"clock_ahead": 1}
    assert truth["counters"]["joined"] == 1


def test_a_dead_letter_does_not_move_the_watermark() -> None:
    forged = decision(T, "forged", ms=T + 10**12)
    assert "late_decisions" not in counted([forged, decision()])


def test_an_event_time_is_never_later_than_its_arrival() -> None:
    ahead = decision(T, "ahead", ms=T + 800_000)  # alone it would close the window of the next line
    assert counted([ahead, decision(T + 1)])["joined"] == 2
    assert truth_of([ahead])["by_minute"] == {str(T): {"decisions": 1, "joined": 1, "lines": 1}}


def test_without_stamps_no_clock_is_ahead() -> None:
    rules = Rules(stamped=False)
    assert counted([decision(T, ms=T + 10**9)], rules) == {"decisions": 1, "joined": 1}


def test_a_record_has_its_event_time_as_deadline() -> None:
    lines = [record(T), record(T + 100), heartbeat_line(T + 29_999, 0), record(T + 29_999, "y")]
    assert counted(lines) == {"heartbeats": 1, "records": 3, "learned_records": 1, "duplicate_records": 1} | {
        "late_records": 1
    }


def test_rewards_over_the_cap_are_credited_and_not_added() -> None:
    rules = Rules(max_rewards=1)
    truth = truth_of([decision(), reward(T, "a", value=1.0), reward(T, "b", value=2.0)], rules)
    assert truth["rewards"] == {"m": {"d": 1.0}}
    assert truth["counters"]["credited"] == 2
    assert truth["counters"]["excess_rewards"] == 1


def test_minutes_add_up_to_the_counters() -> None:
    truth = truth_of([decision(), reward(T + 59_000), decision(T + 120_000, "e", T + 120_000), heartbeat_line(T, 0)])
    totals: dict[str, int] = dict.fromkeys(truth["counters"], 0)
    for classes in truth["by_minute"].values():
        for name, number in classes.items():
            totals[name] += number
    assert totals == truth["counters"]


def test_a_bad_line_that_is_no_json_object_counts_in_the_minute_0() -> None:
    unreadable = Line(T, 0, "bad", b"x", reason="not_json")
    readable = Line(T, 0, "bad", "{", reason="missing_field")
    truth = truth_of([unreadable, readable])
    assert set(truth["by_minute"]) == {"0", str(T)}
    assert truth["dead_letters"] == {"missing_field": 1, "not_json": 1}
