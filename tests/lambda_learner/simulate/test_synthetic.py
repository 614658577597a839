from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import orjson
import pytest

from lambda_learner.events.schema import Decision, Heartbeat, Record, Reward
from lambda_learner.events.wire import BadRecord, decode
from lambda_learner.simulate.lines import Line, render
from lambda_learner.simulate.synthetic import event_lines
from lambda_learner.simulate.traffic import Traffic
from lambda_learner.simulate.truth import Rules, Truth

START_MS = 1_704_067_200_000
NOW_MS = 1_800_000_000_000
KINDS = {Decision: "decision", Reward: "reward", Record: "record", Heartbeat: "heartbeat"}
NOISY: dict[str, Any] = {
    "duplicates": 0.05,
    "late": 0.05,
    "orphans": 0.03,
    "bad": 0.05,
    "clock_ahead": 0.05,
    "records": 0.05,
}


def traffic(decisions: int = 2000, **changes: Any) -> Traffic:
    return Traffic(decisions, START_MS, **changes)


def lines_of(of: Traffic, seed: int = 0) -> list[Line]:
    return list(event_lines(of, np.random.default_rng(seed)))


def truth_of(of: Traffic, seed: int = 0) -> dict[str, Any]:
    truth = Truth(of.rules)
    for _ in truth.watch(event_lines(of, np.random.default_rng(seed))):
        pass
    return truth.result()


def test_clean_traffic_is_all_joined_and_credited() -> None:
    counters = truth_of(traffic(after_deadline=0.0, reward_delay_s=10.0))["counters"]
    assert counters["joined"] == counters["decisions"] == 2000
    assert counters["credited"] == counters["rewards"] > 600
    assert counters["lines"] == 2000 + counters["rewards"] + counters["heartbeats"]


def test_lines_are_in_order_of_arrival_and_more_than_one_block_long() -> None:
    arrivals = [line.arrival_ms for line in lines_of(traffic(9000, **NOISY))]
    assert arrivals == sorted(arrivals)


def test_one_seed_gives_the_same_log_and_another_seed_another() -> None:
    of = traffic(**NOISY)
    assert lines_of(of, 1) == lines_of(of, 1)
    assert lines_of(of, 1) != lines_of(of, 2)


def test_the_facts_of_a_line_are_those_that_its_text_decodes_to() -> None:
    for line in lines_of(traffic(**NOISY)):
        try:
            event = decode(render(line, stamped=True).rstrip(b"\n"), arrival_ms=NOW_MS)
        except BadRecord as refused:
            assert refused.reason == (line.reason or "clock_ahead")
            continue
        assert KINDS[type(event)] == line.kind
        assert event.arrival_ms == line.arrival_ms
        if isinstance(event, Reward):
            assert (event.decision_id, event.decision_ms) == (line.decision_id, line.decision_ms)
            assert event.value == line.value
        if not isinstance(event, Heartbeat):
            assert (event.model, event.message_id) == (line.model, line.message_id)
            assert event.event_ms == min(line.message_ms, line.arrival_ms)


def test_the_dead_letters_of_the_truth_are_those_of_the_decoder() -> None:
    of, refused = traffic(**NOISY), Counter[str]()
    for line in lines_of(of):
        try:
            decode(render(line, stamped=True).rstrip(b"\n"), arrival_ms=NOW_MS)
        except BadRecord as bad:
            refused[bad.reason] += 1
    assert truth_of(of)["dead_letters"] == refused
    assert refused["clock_ahead"] > 20


def test_the_identities_of_the_counters_hold_and_every_class_occurs() -> None:
    c = truth_of(traffic(20_000, **NOISY))["counters"]
    assert c["lines"] == c["dead_lettered"] + c["heartbeats"] + c["decisions"] + c["rewards"] + c["records"]
    assert c["decisions"] == c["joined"] + c["duplicate_decisions"] + c["late_decisions"]
    assert (
        c["rewards"]
        == c["credited"] + c["duplicate_rewards"] + c["after_deadline"] + c["orphan_rewards"] + (c["late_rewards"])
    )
    assert c["records"] == c["learned_records"] + c["duplicate_records"] + c["late_records"]
    assert [name for name, number in c.items() if not number] == ["excess_rewards"]


def test_shares_are_about_those_that_were_asked_for() -> None:
    c = truth_of(traffic(20_000, duplicates=0.02, late=0.02, orphans=0.01, bad=0.02))["counters"]
    assert c["duplicate_decisions"] == pytest.approx(0.02 * 0.8 * 20_000, rel=0.2)  # a fifth of copies come late
    assert c["late_decisions"] == pytest.approx(0.024 * 20_000, rel=0.2)
    assert c["dead_lettered"] == pytest.approx(0.02 * 20_000, rel=0.2)


def test_no_line_is_near_the_border_between_in_time_and_late() -> None:
    of, latest_ms = traffic(20_000, **NOISY), 0
    for line in lines_of(of):
        ahead = max(line.message_ms, line.decision_ms) > line.arrival_ms + of.rules.max_clock_skew_ms
        if line.kind in ("decision", "reward") and not ahead:
            close_ms = of.rules.close_ms(line.decision_ms + of.rules.reward_window_ms)
            after_close_ms = latest_ms - of.rules.out_of_orderness_ms - close_ms
            assert after_close_ms < -10_000 or after_close_ms > 4_000 or line.message_ms > close_ms
        if line.kind != "bad" and not ahead:
            latest_ms = max(latest_ms, min(line.message_ms, line.arrival_ms))


def test_rewards_that_wait_for_a_deadline_are_made_by_the_share_asked_for() -> None:
    c = truth_of(traffic(5000, after_deadline=0.1))["counters"]
    assert c["after_deadline"] == pytest.approx(0.1 * c["rewards"], rel=0.2)


def test_decisions_have_features_of_every_type_and_the_entity_in_the_context() -> None:
    decisions = [orjson.loads(render(line, stamped=False)) for line in lines_of(traffic(500, entities=50))[:400]]
    items = [fields["item"] for fields in decisions if "item" in fields]
    assert all(3 <= len(item) <= 6 for item in items)
    assert {type(item[name]) for item in items for name in item} == {str, float, list, bool, dict}
    users = {fields["context"]["user_id"] for fields in decisions if "context" in fields}
    assert users <= {f"u{number}" for number in range(50)}
    assert len(users) > 25


def test_entities_differ_in_what_they_like() -> None:
    of = traffic(20_000, entities=5)
    rewarded = {line.decision_id for line in lines_of(of) if line.kind == "reward"}
    rates: dict[tuple[str, str], list[bool]] = {}
    for line in lines_of(of):
        if line.kind == "decision":
            fields = orjson.loads(render(line, stamped=False))
            key = fields["context"]["user_id"], fields["item"]["genre"]
            rates.setdefault(key, []).append(line.decision_id in rewarded)
    often = [float(np.mean(seen)) for seen in rates.values() if len(seen) >= 50]
    assert np.std(often) > 0.2


def test_the_rate_is_about_the_one_asked_for() -> None:
    lines = lines_of(traffic(20_000, rate=50.0, reward_delay_s=1.0, after_deadline=0.0))
    seconds = (lines[-1].arrival_ms - lines[0].arrival_ms) / 1000
    assert len(lines) / seconds == pytest.approx(50.0, rel=0.1)


def test_models_share_the_decisions() -> None:
    models = Counter(line.model for line in lines_of(traffic(3000, models=3)) if line.kind == "decision")
    assert set(models) == {"model-0", "model-1", "model-2"}
    assert min(models.values()) > 800


def test_other_windows_still_part_late_from_in_time() -> None:
    rules = Rules(reward_window_ms=10_000, update_interval_ms=1_000, out_of_orderness_ms=5_000)
    c = truth_of(traffic(5000, late=0.02, reward_delay_s=2.0, after_deadline=0.0, rules=rules))["counters"]
    assert 60 < c["late_decisions"] < 140
