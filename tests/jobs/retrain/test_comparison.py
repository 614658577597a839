"""What the gate is told of two models, on decisions of known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from jobs.retrain.comparison import Contest, comparisons
from jobs.retrain.incumbent import Incumbent, Scale
from jobs.retrain.slates import slated
from lambda_learner.archive.merge import merge
from lambda_learner.archive.rows import ArchiveRow, decision_row, reward_row, table_of
from lambda_learner.evaluation.influence import Comparison
from lambda_learner.events import Decision
from lambda_learner.retrain import Trained, TrainingSettings, train
from tests.harness.retraining import GENRES, Event, event, liking, listened

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SETTINGS = TrainingSettings(max_trees=20, explore=False)
BEST = sum(max(liking(genre, hour) for genre in GENRES) for hour in range(24)) / 24


def rows_of(events: Sequence[Event]) -> pa.Table:
    """The events as the archive's reader gives them."""
    return merge(
        [table_of([decision_row(each) if isinstance(each, Decision) else reward_row(each) for each in events])]
    )


def a_row(second: int, **fields: Any) -> ArchiveRow:
    """The row of a decision with these fields."""
    decision = event(second, **fields)
    assert isinstance(decision, Decision)
    return decision_row(decision)


def fitted(decisions: int, settings: TrainingSettings = SETTINGS, *, seed: int = 0) -> Trained:
    rows = rows_of(list(listened(decisions, seed=seed)))
    return train([rows], settings, model="songs", request_id=f"{seed}", now=NOW)


def incumbent_of(trained: Trained, scale: Scale | None = None) -> Incumbent:
    metrics = trained.metrics
    return Incumbent("", trained.decision, 0, scale or Scale(metrics.mean_reward, metrics.reward_deviation))


GOOD = fitted(4000)
POOR = fitted(4000, replace(SETTINGS, max_trees=1, tree_depth=1), seed=1)
NEWER = rows_of(list(listened(2000, seed=2, after=10_000, listed=True)))


def compared(rows: pa.Table, candidate: Trained, incumbent: Trained | Incumbent, least: float = 100) -> dict[str, Any]:
    held = incumbent if isinstance(incumbent, Incumbent) else incumbent_of(incumbent)
    found: tuple[Comparison, ...] = comparisons(rows, Contest(candidate, SETTINGS, held), least_slates=least)
    return {comparison.name: comparison for comparison in found}


def test_the_better_model_gains_in_each() -> None:
    for comparison in compared(NEWER, GOOD, POOR).values():
        assert comparison.low > 0
        assert comparison.rows == 2000


def test_the_worse_model_loses_in_each() -> None:
    for comparison in compared(NEWER, POOR, GOOD).values():
        assert comparison.high < 0


def test_a_model_against_itself_gains_nothing() -> None:
    for comparison in compared(NEWER, GOOD, GOOD).values():
        assert (comparison.gain, comparison.low, comparison.high) == (0, 0, 0)


def test_the_doubly_robust_value_is_that_of_choosing_among_all_candidates() -> None:
    found = compared(NEWER, GOOD, POOR)["doubly_robust_value"]
    assert found.candidate == pytest.approx(BEST, abs=0.03)


def test_a_known_error_is_measured() -> None:
    truth = np.mean([liking(genre, hour) * (1 - liking(genre, hour)) for genre in GENRES for hour in range(24)])
    assert compared(NEWER, GOOD, POOR)["weighted_squared_error"].candidate == pytest.approx(truth, abs=0.025)


def test_an_incumbent_of_unknown_scale_is_taken_to_have_the_candidates() -> None:
    known = incumbent_of(POOR, Scale(GOOD.metrics.mean_reward, GOOD.metrics.reward_deviation))
    assert compared(NEWER, GOOD, known._replace(scale=None)) == compared(NEWER, GOOD, known)


def test_decisions_that_do_not_list_their_candidates_have_two_comparisons() -> None:
    rows = rows_of(list(listened(500, after=10_000)))
    assert list(compared(rows, GOOD, POOR)) == ["weighted_squared_error", "two_candidate_value"]


def test_a_few_that_list_them_do_not_leave_the_gate_undecided() -> None:
    rows = rows_of([*listened(500, after=10_000), *listened(50, after=20_000, listed=True)])
    assert len(compared(rows, GOOD, POOR)) == 2
    assert compared(rows, GOOD, POOR, least=10)["doubly_robust_value"].rows == 50


def test_decisions_without_a_choice_have_their_error_only() -> None:
    alone = rows_of([event(number, item={"genre": "rock"}, count=1, context={"hour": 3}) for number in range(20)])
    assert list(compared(alone, GOOD, POOR)) == ["weighted_squared_error"]


def test_no_usable_row_has_no_comparison() -> None:
    assert compared(NEWER.slice(0, 0), GOOD, POOR) == {}


def test_slates_are_the_candidates_in_their_order() -> None:
    found = slated(NEWER, SETTINGS)
    assert found.slates.firsts.tolist() == list(range(0, 6001, 3))
    assert found.slates.chosen.tolist() == list(range(0, 6000, 3))  # what is chosen is listed first
    assert found.slates.propensities.tolist() == [1 / 3] * 2000
    listed = [orjson.loads(text) for text in found.rows["item"].to_pylist()]
    assert listed[:3] == orjson.loads(NEWER["candidates"][0].as_py())
    assert found.slates.rewards.tolist() == NEWER["reward"].to_pylist()


@pytest.mark.parametrize(
    "fields",
    [
        {"propensity": 0.5},
        {"candidates": [{"a": 1}, {"a": 2}]},
        {"candidates": [{"a": 1}, {"a": 2}], "propensity": 0},
        {"candidates": [{"a": 2}, {"a": 3}], "propensity": 0.5},
        {"candidates": [{"a": 1}], "propensity": 0.5},
    ],
)
def test_a_decision_that_says_too_little_is_no_slate(fields: dict[str, Any]) -> None:
    decision = a_row(1, item={"a": 1}, count=2, sample={"a": 2})
    texts: dict[str, Any] = {name: orjson.dumps(value).decode() for name, value in fields.items()}
    assert len(slated(table_of([decision._replace(**texts)]), SETTINGS).slates.rewards) == 0


def test_a_slate_whose_rewards_cannot_be_used_is_left_out() -> None:
    decision = a_row(1, item=1, count=2, sample=2, candidates=[1, 2], propensity=0.5)
    rows = table_of([decision._replace(rewards='{"x":1e300}'), decision])
    assert len(slated(rows, SETTINGS).slates.rewards) == 1


def test_binary_rewards_are_those_of_slates_too() -> None:
    decision = a_row(1, item=1, count=2, sample=2, candidates=[1, 2], propensity=0.5)
    rows = table_of([decision._replace(rewards='{"x":7.5}')])
    assert slated(rows, replace(SETTINGS, binary_rewards=True)).slates.rewards.tolist() == [1.0]
