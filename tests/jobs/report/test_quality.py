from __future__ import annotations

import numpy as np
import pytest

from jobs.report.data import Scores
from jobs.report.quality import as_served, auc_standard_error, calibration, quality, rolling, rolling_window, wilson
from lambda_learner.evaluation.metrics import auc, log_loss


def scores_of(count: int, *, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=count)
    label = np.where(rng.random(count) < 1 / (1 + np.exp(-score)), 1.0, -1.0)
    return Scores(np.arange(count) * 1_000, label, np.zeros(count), score, score / 2)


def test_the_newest_point_of_the_curve_is_the_metric_of_the_newest_window() -> None:
    scores = scores_of(6_000)
    curve = rolling(scores, logistic=True)
    assert curve is not None
    assert curve.window == 1_200
    newest = scores.last(1_200)
    assert curve.entity[-1] == auc(newest.score, newest.label)
    assert curve.base[-1] == 0.5
    assert curve.served[-1] == curve.entity[-1]  # half the score: the same order
    assert curve.time_ms[-1] == 5_999_000


def test_a_window_is_five_thousand_decisions_of_a_long_run_and_a_fifth_of_a_short_one() -> None:
    assert [rolling_window(n) for n in (100_000, 10_000, 999)] == [5_000, 2_000, 0]


def test_one_class_alone_gives_no_curve() -> None:
    scores = scores_of(2_000)
    assert rolling(scores._replace(label=np.ones(2_000)), logistic=True) is None


def test_a_linear_model_is_measured_by_its_root_mean_squared_error() -> None:
    columns = np.array([1.0, 2.0, 3.0]), np.zeros(3), np.array([1.0, 2.0, 6.0]), np.array([1.0, 2.0, np.nan])
    three = Scores(np.arange(3), *columns)
    value = quality(three, logistic=False)
    assert value.entity == pytest.approx(np.sqrt(3.0))
    assert value.base == pytest.approx(np.sqrt(14 / 3))
    assert value.served == 0.0


def test_served_quality_is_of_the_decisions_whose_served_score_is_known() -> None:
    scores = scores_of(2_000)
    half = scores._replace(served=np.where(np.arange(2_000) < 1_000, np.nan, -scores.score))
    newest = scores.last(1_000)
    assert as_served(half, logistic=True) == {
        "auc": auc(-newest.score, newest.label),
        "log_loss": log_loss(-newest.score, newest.label),
    }
    assert list(as_served(half, logistic=False)) == ["rmse"]
    curve = rolling(half, logistic=True)
    assert curve is not None
    assert np.isnan(curve.served[0]) and curve.served[-1] < 0.5


def test_without_served_scores_their_metrics_have_no_value() -> None:
    none = scores_of(1_000)._replace(served=np.full(1_000, np.nan))
    assert np.isnan(list(as_served(none, logistic=True).values())).all()
    assert np.isnan(quality(none, logistic=True).served)


def test_the_interval_of_an_auc_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    truth = 0.7602499389  # Φ(1/√2): normal scores one standard deviation apart
    hits = 0
    for _ in range(400):
        positive, negative = rng.normal(1.0, 1.0, 100), rng.normal(0.0, 1.0, 150)
        value = auc(np.concatenate([positive, negative]), np.repeat([1.0, -1.0], [100, 150]))
        hits += abs(value - truth) < 1.96 * auc_standard_error(value, 100, 150)
    assert 0.92 < hits / 400 < 0.98


def test_calibrated_scores_lie_near_the_diagonal_and_overconfident_ones_do_not() -> None:
    scores = scores_of(20_000)
    honest = calibration(scores)
    overconfident = calibration(scores._replace(score=3 * scores.score))
    assert honest is not None and overconfident is not None
    assert honest.gap < 0.02
    assert overconfident.gap > 0.1
    assert ((honest.low <= honest.rate) & (honest.rate <= honest.high)).all()


def test_calibration_needs_ten_decisions_a_group() -> None:
    assert calibration(scores_of(199)) is None
    assert calibration(scores_of(200)) is not None


def test_huge_scores_are_probabilities_of_zero_and_one() -> None:
    scores = scores_of(200)
    bins = calibration(scores._replace(score=1e300 * scores.score))
    assert bins is not None
    assert (bins.probability.min(), bins.probability.max()) == (0.0, 1.0)


def test_the_wilson_interval_is_that_of_the_textbook() -> None:
    low, high = wilson(np.array([0.5, 0.0]), np.array([100.0, 10.0]))
    assert low == pytest.approx([0.4038, 0.0], abs=1e-4)
    assert high == pytest.approx([0.5962, 0.2775], abs=1e-4)
