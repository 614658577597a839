"""The update against numbers found elsewhere: golden vectors and sums by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_learner.learn import GaussianPosterior, NewtonResult, forget, update
from lambda_learner.learn.losses import LOSSES, Kind

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/newton.json").read_text("utf-8"))
ONE = np.ones(1)
NOTHING = np.zeros(1)


def golden_update(given: dict[str, Any]) -> NewtonResult:
    old = GaussianPosterior(np.array(given["mean"], dtype=float), np.array(given["precision"], dtype=float))
    ridge = GaussianPosterior(np.full(4, given["prior_mean"]), np.full(4, given["prior_precision"]))
    prior = forget(old, given["delta"], ridge)
    x, y, w, o = (np.array(given[name], dtype=float) for name in ("features", "labels", "weights", "offsets"))
    return update(x, y, w, o, prior, kind=given["kind"])


def golden_loss(theta: np.ndarray[Any, np.dtype[np.float64]], given: dict[str, Any]) -> float:
    """Lambda Learner's objective: the two prior terms apart, so above ours by a constant."""
    margins = np.array(given["features"]) @ theta + given["offsets"]
    data = np.array(given["weights"]) @ LOSSES[given["kind"]](margins, np.array(given["labels"])).value
    shift = theta - given["mean"]
    ridge = (1 - given["delta"]) * given["prior_precision"] * theta @ theta
    return float(data + 0.5 * ridge + 0.5 * given["delta"] * shift @ np.array(given["precision"]) @ shift)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_the_golden_posteriors_are_met(case: dict[str, Any]) -> None:
    result = golden_update(case["given"])
    assert result.converged
    np.testing.assert_allclose(result.posterior.mean, case["expected"]["mean"], atol=2e-8)
    np.testing.assert_allclose(result.posterior.precision, case["expected"]["precision"], atol=2e-7)


@pytest.mark.parametrize("case", GOLDEN["cases"][:-1], ids=lambda case: case["name"])
def test_the_golden_losses_are_met(case: dict[str, Any]) -> None:
    mean = golden_update(case["given"]).posterior.mean
    assert golden_loss(mean, case["given"]) == pytest.approx(case["expected"]["loss"], abs=1e-8)


def test_one_linear_record_moves_the_mean_by_its_share_of_the_residual() -> None:
    # Prior N(1, 1/4), noise variance 1/2, x = 2, y = 5: precision 4 + 2·4 = 12, mean 1 + (2·2·3)/12
    prior = GaussianPosterior(np.array([1.0]), np.array([4.0]))
    result = update(np.array([[2.0]]), np.array([5.0]), ONE, NOTHING, prior, kind="linear", noise_variance=0.5)
    np.testing.assert_allclose(result.posterior.precision, [12.0], rtol=1e-15)
    np.testing.assert_allclose(result.posterior.mean, [2.0], rtol=1e-15)
    assert result.loss == pytest.approx(0.5 * (1.0 / 0.5) + 0.5 * 4.0, rel=1e-15)


def test_one_logistic_record_meets_its_scalar_equation() -> None:
    # λθ = σ(-θ) with λ = 1 and x = 1: θ = 0.40105813754
    prior = GaussianPosterior(np.zeros(1), np.ones(1))
    result = update(np.ones((1, 1)), ONE, ONE, NOTHING, prior, kind="logistic")
    theta = float(result.posterior.mean[0])
    assert theta == pytest.approx(1.0 / (1.0 + math.exp(theta)), abs=1e-15)
    assert theta == pytest.approx(0.401058137541547, abs=1e-14)
    assert float(result.posterior.precision[0]) == pytest.approx(1.0 + theta * (1.0 - theta), abs=1e-14)


def test_no_records_give_the_prior() -> None:
    prior = GaussianPosterior(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    empty = np.zeros(0)
    result = update(np.zeros((0, 2)), empty, empty, empty, prior, kind="logistic")
    assert result == NewtonResult(prior, 0.0, 0, converged=True)


@pytest.mark.parametrize("kind", ["logistic", "linear"])
def test_an_offset_counts_like_a_coefficient_that_is_known(kind: Kind) -> None:
    certain = GaussianPosterior(np.array([0.7, 0.0]), np.array([1e14, 1.0]))
    with_column = update(np.array([[1.0, 2.0]]), ONE, ONE, NOTHING, certain, kind=kind)
    alone = GaussianPosterior(np.zeros(1), np.ones(1))
    with_offset = update(np.array([[2.0]]), ONE, ONE, np.array([0.7]), alone, kind=kind)
    assert with_column.posterior.mean[1] == pytest.approx(with_offset.posterior.mean[0], rel=1e-12)


def test_the_noise_variance_leaves_a_logistic_update_alone() -> None:
    prior = GaussianPosterior(np.zeros(1), np.ones(1))
    plain = update(np.ones((1, 1)), ONE, ONE, NOTHING, prior, kind="logistic")
    scaled = update(np.ones((1, 1)), ONE, ONE, NOTHING, prior, kind="logistic", noise_variance=9.0)
    np.testing.assert_array_equal(plain.posterior.mean, scaled.posterior.mean)
