from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.evaluation import auc, increments, log_loss, merged, progressive_from_counters, rmse
from lambda_learner.evaluation.progressive import BINS, auc_from_bins, bin_of, increments_of
from lambda_learner.learn import Score
from lambda_learner.learn.losses import Kind

MARGINS = st.floats(-50.0, 50.0)
LABELS = st.sampled_from([-1.0, 1.0])
ANY_MARGIN = st.sampled_from([0.0, -0.0, 1e5]) | st.floats()
SCORES = st.lists(st.builds(Score, st.just("d"), st.sampled_from([-1.0, 1.0]), MARGINS, MARGINS), max_size=30)


def counted(scores: list[Score], kind: Kind) -> dict[str, int]:
    return merged(*(dict(increments(score, kind)) for score in scores))


def simulated(rate_margin: float, spread: float, n: int = 20_000) -> list[Score]:
    """Scores whose labels follow them, around a base rate."""
    rng = np.random.default_rng(11)
    margins = rng.normal(rate_margin, spread, size=n)
    labels = np.where(rng.random(n) < 1.0 / (1.0 + np.exp(-margins)), 1.0, -1.0)
    blurred = margins + rng.normal(0.0, spread, size=n)
    rows = zip(labels.tolist(), blurred.tolist(), margins.tolist(), strict=True)
    return [Score("d", y, base, score) for y, base, score in rows]


@pytest.mark.parametrize(("rate_margin", "spread"), [(0.0, 1.0), (-5.5, 0.5), (2.0, 4.0), (0.0, 0.1)])
def test_logistic_metrics_from_counters_are_those_of_the_scores(rate_margin: float, spread: float) -> None:
    scores = simulated(rate_margin, spread)
    labels = [score.label for score in scores]
    metrics = progressive_from_counters(counted(scores, "logistic"))
    assert metrics["count"] == len(scores)
    assert metrics["auc"] == pytest.approx(auc([score.score for score in scores], labels), abs=0.002)
    assert metrics["auc_base"] == pytest.approx(auc([score.base for score in scores], labels), abs=0.002)
    assert metrics["log_loss"] == pytest.approx(log_loss([s.score for s in scores], labels), abs=1e-6)
    assert metrics["log_loss_base"] == pytest.approx(log_loss([s.base for s in scores], labels), abs=1e-6)
    assert "rmse" not in metrics


def test_linear_metrics_from_counters_are_those_of_the_scores() -> None:
    scores = simulated(1.0, 2.0, n=1_000)
    labels = [score.label for score in scores]
    metrics = progressive_from_counters(counted(scores, "linear"))
    assert metrics["rmse"] == pytest.approx(rmse([score.score for score in scores], labels), abs=1e-6)
    assert metrics["rmse_base"] == pytest.approx(rmse([score.base for score in scores], labels), abs=1e-6)
    assert set(metrics) == {"count", "rmse", "rmse_base"}


@pytest.mark.parametrize("kind", ["logistic", "linear"])
@given(scores=SCORES, cut=st.integers(0, 30), seed=st.integers())
def test_any_split_and_order_give_the_same_counters(kind: Kind, scores: list[Score], cut: int, seed: int) -> None:
    mixed = random.Random(seed).sample(scores, len(scores))
    parts = merged(counted(mixed[:cut], kind), counted(mixed[cut:], kind))
    assert parts == counted(scores, kind)
    assert all(type(n) is int for n in parts.values())


@given(low=MARGINS, high=MARGINS)
def test_bins_rise_with_the_score(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert 0 <= bin_of(low) <= bin_of(high) < BINS


def test_the_ends_of_the_scale_have_bins() -> None:
    assert (bin_of(-1e300), bin_of(0.0), bin_of(1e300)) == (0, BINS // 2, BINS - 1)


def test_auc_from_bins_counts_a_shared_bin_as_ties() -> None:
    assert auc_from_bins([0, 2, 1], [1, 1, 0]) == (2 + 2 * 0.5 + 1 * 2) / 6


def test_without_a_class_there_is_no_auc() -> None:
    metrics = progressive_from_counters(counted([Score("d", 1.0, 0.0, 1.0)], "logistic"))
    assert metrics["auc"] is None
    assert metrics["log_loss"] == pytest.approx(math.log1p(math.exp(-1.0)), abs=1e-6)


def test_without_scores_there_is_only_the_count() -> None:
    assert progressive_from_counters({"joined": 3}) == {"count": 0}


def test_other_counters_do_not_disturb() -> None:
    counters = counted([Score("d", 1.0, 0.0, 1.0)], "logistic")
    assert progressive_from_counters({**counters, "joined": 3}) == progressive_from_counters(counters)


@pytest.mark.parametrize("bad", [Score("d", 1.0, math.nan, 0.0), Score("d", 1.0, 0.0, math.inf)])
def test_a_score_that_is_not_finite_is_counted_apart(bad: Score) -> None:
    assert increments(bad, "logistic") == [("progressive.unscored", 1)]


def test_a_monstrous_error_is_clamped_and_counted() -> None:
    counters = counted([Score("d", 0.0, 1e200, 1.0)], "linear")
    assert counters["progressive.base.clamped"] == 1
    assert counters["progressive.base.squared_error_micro"] == 10**15
    assert "progressive.entity.clamped" not in counters


@pytest.mark.parametrize("kind", ["logistic", "linear"])
@given(scores=st.lists(st.builds(Score, st.just("d"), LABELS, ANY_MARGIN, ANY_MARGIN), max_size=12))
def test_increments_of_many_are_the_sums_of_those_of_each(kind: Kind, scores: list[Score]) -> None:
    assert increments_of(scores, kind) == counted(scores, kind)


def test_scores_whose_sum_overflows_are_scored() -> None:
    assert increments_of([Score("d", 1.0, 1e308, 1e308)], "linear")["progressive.count"] == 1
