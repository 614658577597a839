from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.evaluation.progressive import PREFIX, progressive_from_counters
from lambda_learner.join import DecisionCopy, JoinedRow, RewardCopy, checksum
from lambda_learner.learn import Example, learn
from lambda_learner.learn.base_change import NO_BASE
from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_format import to_bytes
from lambda_learner.learn.window import WindowOutcome, learn_window
from lambda_learner.learn.window_row import WindowRow
from lambda_learner.policy import ModelPolicy
from tests.harness.cases import POLICY

CLOSE_MS = 120_000
BASE_OFFSET = 0.75


def decision(number: int, *rewards: float, item: Any = None, event_ms: int = 61_000, copies: int = 1) -> WindowRow:
    payload = json.dumps({"item": {"a": 1} if item is None else item, "context": {"user": "u"}})
    copy = DecisionCopy(event_ms, checksum(payload))
    given = tuple(RewardCopy(f"r{index}", event_ms, value) for index, value in enumerate(rewards))
    return WindowRow("D", JoinedRow("m", f"d{number}", payload, (copy,) * copies, given))


def record(number: int, *, copies: int = 1, **fields: Any) -> WindowRow:
    features = [{"name": "item.a", "term": "", "value": 1.0}]
    payload = json.dumps({"features": features, "label": 1.0, "weight": 1.0, "offset": 0.0} | fields)
    copy = DecisionCopy(61_000, checksum(payload))
    return WindowRow("T", JoinedRow("m", f"t{number}", payload, (copy,) * copies, ()))


def based(row: WindowRow, version: str = "b1", offset: float = BASE_OFFSET) -> WindowRow:
    return row._replace(offset=offset, base_version=version)


def window(
    *rows: WindowRow,
    state: EntityState | None = None,
    entity: str | None = "[1]",
    close_ms: int = CLOSE_MS,
    policy: ModelPolicy = POLICY,
) -> WindowOutcome:
    return learn_window(state, rows, entity=entity, close_ms=close_ms, policy=policy)


def learned(*examples: Example, state: EntityState | None = None, base_version: str = NO_BASE) -> EntityState:
    """What the entity's learner alone makes of examples."""
    generation, settings = POLICY.generation, POLICY.learner
    return learn(
        state, examples, close_ms=CLOSE_MS, generation=generation, settings=settings, base_version=base_version
    ).state


def bytes_of(outcome: WindowOutcome) -> bytes:
    assert outcome.state is not None
    return to_bytes(outcome.state)


def plain(counts: Mapping[tuple[int, str], int]) -> dict[str, int]:
    """Counters by name, without the progressive ones."""
    total: Counter[str] = Counter()
    for (_, name), n in counts.items():
        if not name.startswith(PREFIX):
            total[name] += n
    return dict(total)


def test_decisions_are_learned_with_their_reward() -> None:
    outcome = window(decision(1, 1.0), decision(2))
    expected = learned(
        Example("d1", {("item.a", ""): 1.0}, 1.0),
        Example("d2", {("item.a", ""): 1.0}, 0.0),
    )
    assert bytes_of(outcome) == to_bytes(expected)
    assert outcome.changed


@given(order=st.permutations([decision(1, 1.0), decision(2), record(3), decision(4, 2.0, -1.0)]))
def test_the_order_of_the_rows_does_not_matter(order: list[WindowRow]) -> None:
    outcome, expected = window(*order), window(*sorted(order, key=lambda given: given.row.decision_id))
    assert bytes_of(outcome) == bytes_of(expected)
    assert outcome.counts == expected.counts
    assert outcome.scores == expected.scores


def test_lines_are_counted_in_the_minute_of_their_event_time() -> None:
    outcome = window(decision(1, 1.0, event_ms=61_000), decision(2, event_ms=119_999), decision(3, event_ms=120_000))
    assert outcome.counts[60_000, "joined"] == 2
    assert outcome.counts[120_000, "joined"] == 1
    assert outcome.counts[60_000, "credited"] == 1


def test_a_record_is_learned_with_its_label_weight_and_offset() -> None:
    outcome = window(record(1, label=-1.0, weight=2.0, offset=0.5))
    expected = learned(Example("t1", {("item.a", ""): 1.0}, -1.0, 2.0, 0.5))
    assert bytes_of(outcome) == to_bytes(expected)
    assert [(score.base, score.label) for score in outcome.scores] == [(0.5, -1.0)]


def test_the_values_of_a_feature_that_stands_twice_in_a_record_add_up() -> None:
    twice = [{"name": "f", "term": "t", "value": value} for value in (1.0, 2.5)]
    expected = learned(Example("t1", {("f", "t"): 3.5}, 1.0))
    assert bytes_of(window(record(1, features=twice))) == to_bytes(expected)


def test_records_have_classes_of_their_own() -> None:
    outcome = window(record(1, copies=3), decision(2, copies=2))
    counted = plain(outcome.counts)
    assert (counted["learned_records"], counted["duplicate_records"]) == (1, 2)
    assert (counted["joined"], counted["duplicate_decisions"]) == (1, 1)


def test_orphans_are_given_back_and_not_learned() -> None:
    orphan = WindowRow("D", JoinedRow("m", "d1", None, (), (RewardCopy("r", 61_000, 1.0),)))
    outcome = window(orphan)
    assert [(each.decision_id, each.rewards) for each in outcome.orphans] == [("d1", (("r", 1.0),))]
    assert plain(outcome.counts) == {"orphan_rewards": 1}
    assert (outcome.state, outcome.changed) == (None, False)


def test_without_an_entity_nothing_is_learned_and_each_example_counted() -> None:
    outcome = window(decision(1, 1.0), decision(2), entity=None)
    assert plain(outcome.counts) == {"joined": 2, "credited": 1, "no_entity": 2}
    assert (outcome.state, outcome.changed, outcome.scores) == (None, False, ())


def test_a_model_that_is_not_learned_has_its_lines_counted() -> None:
    outcome = window(decision(1, 1.0), policy=replace(POLICY, learned=False))
    assert plain(outcome.counts) == {"joined": 1, "credited": 1}
    assert not outcome.changed


@pytest.mark.parametrize("close_ms", [CLOSE_MS, CLOSE_MS - 1])
def test_a_window_that_is_not_newer_than_the_state_changes_nothing(close_ms: int) -> None:
    state = window(decision(1)).state
    outcome = window(decision(2), decision(3), state=state, close_ms=close_ms)
    assert outcome.state is state
    assert plain(outcome.counts) == {"joined": 2, "already_learned": 2}
    assert (outcome.changed, outcome.scores) == (False, ())


def test_scores_are_those_of_the_state_before_the_window() -> None:
    state = window(decision(1, 1.0)).state
    assert state is not None
    outcome = window(decision(2, 1.0), state=state, close_ms=CLOSE_MS + 1)
    (score,) = outcome.scores
    assert score.score == pytest.approx(float(np.sum(state.posterior.mean)))  # the intercept and item.a, both 1
    assert (score.decision_id, score.label, score.base) == ("d2", 1.0, 0.0)


def test_progressive_counters_are_those_of_the_scores() -> None:
    outcome = window(decision(1, 1.0), decision(2))
    metrics = progressive_from_counters({name: n for (_, name), n in outcome.counts.items()})
    assert metrics["count"] == 2
    assert metrics["log_loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_numbers_too_large_to_be_features_are_counted() -> None:
    outcome = window(decision(1, item={"id": 10**9, "price": 2}))
    assert plain(outcome.counts)["skipped_features"] == 1
    assert outcome.state is not None
    assert ("item.price", "") in outcome.state.names


def test_features_over_the_cap_are_counted() -> None:
    policy = replace(POLICY, learner=replace(POLICY.learner, max_features=2))
    outcome = window(decision(1, item={"a": 1, "b": 2, "c": 3}), policy=policy)
    assert plain(outcome.counts)["dropped_features"] == 1


def test_an_update_that_is_not_finite_keeps_the_prior_and_is_counted() -> None:
    policy = replace(POLICY, learner=replace(POLICY.learner, kind="linear"))
    outcome = window(decision(1, math.inf), policy=policy)
    assert plain(outcome.counts)["non_finite_updates"] == 1
    assert outcome.changed
    assert outcome.state is not None
    assert np.isfinite(outcome.state.posterior.mean).all()
    assert outcome.scores == ()


@pytest.mark.parametrize(
    ("records", "at_least"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (8, 5), (9, 9), (16, 9), (17, 17), (33, 33)]
)
def test_updates_are_counted_by_their_number_of_records(records: int, at_least: int) -> None:
    outcome = window(*(decision(number) for number in range(records)))
    assert outcome.counts[0, f"update_records.{at_least}"] == 1
    assert outcome.counts[0, "updates"] == 1


def step(outcome: WindowOutcome) -> int:
    """The bin of the one update."""
    (name,) = (name for _, name in outcome.counts if name.startswith("update_step."))
    return int(name.rpartition(".")[2])


@given(precision=st.floats(0.1, 1e3), reward=st.floats(1e-4, 1e6))
def test_the_size_of_a_step_is_counted_in_quarters_of_a_power_of_ten(precision: float, reward: float) -> None:
    learner = replace(POLICY.learner, kind="linear", prior_precision=precision)
    outcome = window(decision(1, reward), policy=replace(POLICY, learner=learner))
    assert outcome.state is not None
    size = float(np.linalg.norm(outcome.state.posterior.mean))  # the prior's mean is 0
    assert 10 ** (step(outcome) / 4) <= max(size, 1e-6) * (1 + 1e-9)
    assert max(size, 1e-6) < 10 ** ((step(outcome) + 1) / 4) * (1 + 1e-9)


def test_a_coefficient_that_is_new_steps_from_its_prior() -> None:
    learner = replace(POLICY.learner, prior_mean=3.0, intercept_mean=3.0, prior_precision=1e12)
    policy = replace(POLICY, learner=learner)
    state = window(decision(1, 1.0), policy=policy).state
    other = decision(2, 1.0, item={"b": 1})
    assert step(window(other, state=state, close_ms=CLOSE_MS + 1, policy=policy)) == -24  # at most 1e-6


@pytest.mark.parametrize("reward", [1e160, 1.7e308, -1.7e308])
def test_a_step_beyond_all_measure_counts_as_the_largest(reward: float) -> None:
    policy = replace(POLICY, learner=replace(POLICY.learner, kind="linear"))
    assert step(window(decision(1, reward), policy=policy)) == 48  # 1e12


def test_a_window_without_rows_gives_back_the_state() -> None:
    state = window(decision(1)).state
    outcome = window(state=state)
    assert outcome.state is state
    assert (outcome.changed, outcome.counts) == (False, {})


# A base gives the offsets.


def test_a_decision_is_learned_over_the_offset_of_its_base() -> None:
    outcome = window(based(decision(1, 1.0)), based(decision(2), offset=-0.25))
    features = {("item.a", ""): 1.0}
    expected = learned(
        Example("d1", features, 1.0, 1.0, 0.75), Example("d2", features, 0.0, 1.0, -0.25), base_version="b1"
    )
    assert bytes_of(outcome) == to_bytes(expected)
    assert [score.base for score in outcome.scores] == [0.75, -0.25]


def test_a_record_keeps_its_own_offset_and_its_entity_goes_by_the_base() -> None:
    outcome = window(based(record(1, offset=0.5)))
    assert bytes_of(outcome) == to_bytes(
        learned(Example("t1", {("item.a", ""): 1.0}, 1.0, 1.0, 0.5), base_version="b1")
    )


def test_orphans_have_no_base_and_do_not_take_the_window_s_away() -> None:
    orphan = WindowRow("D", JoinedRow("m", "d9", None, (), (RewardCopy("r", 61_000, 1.0),)))
    for rows in ([orphan, based(decision(1))], [based(decision(1)), orphan]):
        state = window(*rows).state
        assert state is not None
        assert state.base_version == "b1"


@given(order=st.permutations([based(decision(1)), based(decision(2), "b2"), decision(3)]))
def test_rows_that_disagree_give_the_same_in_any_order(order: list[WindowRow]) -> None:
    """It takes a log that was read too early for a window, and must still not hang on the order of arrival."""
    state = window(*order).state
    assert state is not None
    assert state.base_version == "b2"


def test_what_was_learned_over_the_base_before_is_carried_over() -> None:
    before = window(based(decision(1, 1.0))).state
    after = window(based(decision(2), "b2"), state=before, close_ms=CLOSE_MS + 1)
    assert after.scores[0].score > BASE_OFFSET  # what was learned of the entity still counts
    assert after.state is not None
    assert (after.state.base_version, after.state.count) == ("b2", 2)
    reset = window(decision(2), state=before, close_ms=CLOSE_MS + 1)
    assert reset.scores[0].score == 0.0  # without the base, nothing does


def test_the_counters_tell_the_base_alone_from_base_and_entity() -> None:
    state = window(based(decision(1, 1.0))).state
    outcome = window(based(decision(2, 1.0)), state=state, close_ms=CLOSE_MS + 1)
    metrics = progressive_from_counters({name: n for (_, name), n in outcome.counts.items()})
    base, both = metrics["log_loss_base"], metrics["log_loss"]
    assert base == pytest.approx(math.log1p(math.exp(-BASE_OFFSET)), abs=1e-6)
    assert both == pytest.approx(math.log1p(math.exp(-outcome.scores[0].score)), abs=1e-6)
    assert outcome.scores[0].score > BASE_OFFSET
