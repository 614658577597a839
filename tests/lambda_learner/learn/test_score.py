from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.learn import INTERCEPT, CoefficientPrior, GaussianPosterior, margin
from lambda_learner.learn.score import drawn_coefficients, mean_coefficients

A, B = ("item.genre", "a"), ("item.genre", "b")
PRIOR = CoefficientPrior(mean=0.5, precision=4.0, intercept_mean=-1.0, intercept_precision=16.0)
POSTERIOR = GaussianPosterior(np.array([1.0, 2.0]), np.array([100.0, 25.0]))


def test_a_margin_is_offset_intercept_and_the_features_coefficients() -> None:
    coefficients = mean_coefficients((INTERCEPT, A), POSTERIOR, PRIOR)
    assert margin({A: 3.0}, coefficients, offset=0.25) == 0.25 + 1.0 + 3.0 * 2.0


def test_a_feature_without_a_coefficient_has_the_prior_mean() -> None:
    coefficients = mean_coefficients((INTERCEPT, A), POSTERIOR, PRIOR)
    assert margin({B: 2.0}, coefficients) == 1.0 + 2.0 * 0.5
    assert B not in coefficients


def test_an_entity_without_a_posterior_is_scored_by_the_prior() -> None:
    assert margin({A: 2.0}, mean_coefficients((), None, PRIOR)) == -1.0 + 2.0 * 0.5


def test_a_draw_is_the_same_for_all_candidates_of_a_call() -> None:
    drawn = drawn_coefficients((INTERCEPT, A), POSTERIOR, PRIOR, alpha=1.0, rng=np.random.default_rng(5))
    assert margin({A: 1.0, B: 1.0}, drawn) == margin({A: 1.0, B: 1.0}, drawn)
    assert margin({B: 2.0}, drawn) - margin({B: 1.0}, drawn) == pytest.approx(drawn[B])


def test_without_exploration_a_draw_is_the_mean() -> None:
    drawn = drawn_coefficients((INTERCEPT, A), POSTERIOR, PRIOR, alpha=0.0, rng=np.random.default_rng(5))
    mean = mean_coefficients((INTERCEPT, A), POSTERIOR, PRIOR)
    assert margin({A: 1.0, B: 1.0}, drawn) == margin({A: 1.0, B: 1.0}, mean)


def test_draws_spread_by_alpha_over_the_root_of_the_precision() -> None:
    rng = np.random.default_rng(5)
    draws = [drawn_coefficients((INTERCEPT, A), POSTERIOR, PRIOR, alpha=2.0, rng=rng) for _ in range(4_000)]
    for key, mean, deviation in ((INTERCEPT, 1.0, 0.2), (A, 2.0, 0.4), (B, 0.5, 1.0)):
        values = [draw[key] for draw in draws]
        assert np.mean(values) == pytest.approx(mean, abs=0.05)
        assert np.std(values) == pytest.approx(deviation, rel=0.05)
