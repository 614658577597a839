"""A base's calibration against known truths, a reference (SciPy), and at the ends: few, equal and split labels."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from scipy.optimize import minimize

from lambda_learner.learn.calibrate import calibrate, constant_base

KINDS: list[Literal["logistic", "linear"]] = ["logistic", "linear"]


def test_log_odds_are_found_from_scores_in_any_unit() -> None:
    rng = np.random.default_rng(1)
    scores = 7.0 + 0.2 * rng.normal(size=200_000)
    labels = np.where(rng.random(200_000) < 1.0 / (1.0 + np.exp(-(-35.0 + 5.0 * scores))), 1.0, -1.0)
    found = calibrate(scores, labels, "logistic")
    assert found.slope == pytest.approx(5.0, rel=0.02)
    assert found.intercept + found.slope * 7.0 == pytest.approx(0.0, abs=0.02)


def test_the_logistic_fit_is_the_penalised_maximum_of_a_reference() -> None:
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(size=60), np.where(rng.random(60) < 0.3, 2.5, 0.0)
    standard, signs = (scores - scores.mean()) / scores.std(), np.where(labels > 0, 1.0, -1.0)

    def loss(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        margins = point[0] + point[1] * standard
        return float(np.logaddexp(0, -signs * margins).sum() + 0.005 * point[0] ** 2 + 0.08 * point[1] ** 2)

    best = minimize(loss, np.zeros(2), tol=1e-12).x
    found = calibrate(scores, labels, "logistic")
    np.testing.assert_allclose(found.intercept + found.slope * scores, best[0] + best[1] * standard, atol=1e-5)


def test_rewards_are_found_by_least_squares() -> None:
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(3.0, 2.0, 50), rng.normal(size=50)
    slope, intercept = np.polyfit(scores, labels, 1)
    assert calibrate(scores, labels, "linear") == pytest.approx((intercept, slope))


def test_a_calibrated_base_stays_as_it_is() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(-2.0, 1.0, 300_000)
    labels = np.where(rng.random(300_000) < 1.0 / (1.0 + np.exp(-scores)), 1.0, -1.0)
    assert calibrate(scores, labels, "logistic") == pytest.approx((0.0, 1.0), abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_scores_give_the_constant_base(kind: Literal["logistic", "linear"]) -> None:
    labels = np.array([1.0, 0.0, 0.0, 0.0])
    assert calibrate(np.full(4, 0.7), labels, kind) == constant_base(labels, kind)


def test_the_constant_base_is_the_mean_reward_or_the_logit_of_the_rate() -> None:
    assert constant_base(np.array([1.0, 2.0, 6.0]), "linear") == (3.0, 0.0)
    assert constant_base(np.array([2.0, 0.0, -1.0]), "logistic") == (math.log(1.5 / 2.5), 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_no_labels_give_the_offset_0(kind: Literal["logistic", "linear"]) -> None:
    assert calibrate(np.zeros(0), np.zeros(0), kind) == (0.0, 0.0)


@pytest.mark.parametrize("labels", [np.ones(500), -np.ones(500), np.where(np.arange(500) < 250, -1.0, 1.0)])
def test_labels_all_equal_or_perfectly_split_give_finite_numbers(
    labels: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    found = calibrate(np.arange(500.0), labels, "logistic")
    offsets = found.intercept + found.slope * np.arange(500.0)
    assert np.isfinite(offsets).all()
    assert (np.sign(offsets[[0, -1]]) == labels[[0, -1]]).all()
    assert np.abs(offsets).max() < 100.0


def test_one_decision_is_enough() -> None:
    assert calibrate(np.array([0.3]), np.array([1.0]), "logistic") == (math.log(3.0), 0.0)


def test_what_is_not_finite_or_of_two_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="scores must be finite, got nan"):
        calibrate(np.array([math.nan, 1.0]), np.ones(2), "linear")
    with pytest.raises(ValueError, match="got 1 scores and 2 labels"):
        calibrate(np.ones(1), np.ones(2), "linear")
