from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.learn import GaussianPosterior, forget

PRIOR = GaussianPosterior(np.array([1.0, 0.0]), np.array([4.0, 2.0]))
DIAGONAL = GaussianPosterior(np.array([3.0, -1.0]), np.array([12.0, 2.0]))
FULL = GaussianPosterior(np.array([3.0, -1.0]), np.array([[2.0, 1.0], [1.0, 2.0]]))


def test_forgetting_nothing_gives_the_posterior_itself() -> None:
    assert forget(DIAGONAL, 1.0, PRIOR) is DIAGONAL


def test_forgetting_half_mixes_precisions_and_weighs_means_by_them() -> None:
    forgotten = forget(DIAGONAL, 0.5, PRIOR)
    np.testing.assert_allclose(forgotten.precision, [8.0, 2.0])
    np.testing.assert_allclose(forgotten.mean, [(6 * 3 + 2 * 1) / 8, -0.5])


@pytest.mark.parametrize("posterior", [DIAGONAL, FULL], ids=["diagonal", "full"])
def test_forgetting_all_gives_the_prior_in_the_posterior_s_form(posterior: GaussianPosterior) -> None:
    forgotten = forget(posterior, 0.0, PRIOR)
    np.testing.assert_allclose(forgotten.mean, PRIOR.mean)
    expected = PRIOR.precision if posterior.is_diagonal else np.diag(PRIOR.precision)
    np.testing.assert_allclose(forgotten.precision, expected)


def test_forgetting_a_full_posterior_solves_for_its_mean() -> None:
    forgotten = forget(FULL, 0.5, PRIOR)
    np.testing.assert_allclose(forgotten.precision, [[3.0, 0.5], [0.5, 2.0]])
    right = 0.5 * np.array([5.0, 1.0]) + 0.5 * np.array([4.0, 0.0])
    np.testing.assert_allclose(forgotten.precision @ forgotten.mean, right)


def test_a_full_prior_and_its_diagonal_form_forget_alike() -> None:
    as_matrix = GaussianPosterior(PRIOR.mean, np.diag(PRIOR.precision))
    np.testing.assert_array_equal(forget(FULL, 0.3, PRIOR).mean, forget(FULL, 0.3, as_matrix).mean)


def test_the_marginal_variance_of_correlated_coefficients_is_above_the_conditional_one() -> None:
    np.testing.assert_allclose(FULL.marginal_variance(), [2 / 3, 2 / 3])
    np.testing.assert_allclose(DIAGONAL.marginal_variance(), [1 / 12, 1 / 2])


@pytest.mark.parametrize("posterior", [DIAGONAL, FULL], ids=["diagonal", "full"])
def test_samples_have_the_posterior_s_mean_and_alpha_squared_times_its_covariance(
    posterior: GaussianPosterior,
) -> None:
    rng = np.random.default_rng(7)
    draws = np.array([posterior.sample(rng, alpha=0.5) for _ in range(20_000)])
    precision = np.diag(posterior.precision) if posterior.is_diagonal else posterior.precision
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean, atol=0.01)
    np.testing.assert_allclose(np.cov(draws.T), 0.25 * np.linalg.inv(precision), atol=0.006)


def test_without_exploration_a_sample_is_the_mean() -> None:
    np.testing.assert_array_equal(FULL.sample(np.random.default_rng(1), alpha=0.0), FULL.mean)
