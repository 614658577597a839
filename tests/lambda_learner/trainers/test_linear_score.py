"""Scores under a linear model, and that exploration follows the uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from lambda_learner import IndexedDataset, IndexedModel, score_linear_model

IDENTITY = IndexedDataset(sparse.identity(4, format="csc"), np.ones(4), np.ones(4), np.zeros(4))
FULL = np.array([[2.0, 0.3, 0.0, 0.1], [0.3, 1.5, 0.2, 0.0], [0.0, 0.2, 1.0, 0.0], [0.1, 0.0, 0.0, 3.0]])
THETA = np.array([0.2, -0.1, 0.3, 0.05])


def draws(hessian: Any, threshold: float, count: int = 20_000) -> Any:
    rng, model = np.random.default_rng(7), IndexedModel(THETA, hessian)
    return np.array([score_linear_model(model, IDENTITY, threshold, rng=rng) for _ in range(count)])


@pytest.mark.parametrize("form", [sparse.csc_matrix, sparse.csr_array, np.asarray])
def test_without_exploration_the_score_is_the_matrix_product(form: Any) -> None:
    x = form(np.arange(8.0).reshape(2, 4))
    data = IndexedDataset(x, [1, -1], [1, 1], [0.5, -0.5])
    scores = score_linear_model(IndexedModel(THETA), data)
    assert scores.shape == (2,)
    assert (scores == x @ THETA + np.array([0.5, -0.5])).all()


@pytest.mark.parametrize("form", [sparse.csc_matrix, np.asarray], ids=["sparse", "dense"])
@pytest.mark.parametrize("hessian", [np.diag([2.0, 1.5, 1.0, 3.0]), FULL], ids=["diagonal", "full"])
def test_draws_have_the_threshold_times_the_covariance(hessian: Any, form: Any) -> None:
    drawn = draws(form(hessian), 0.5, 5_000)
    expected = 0.5 * np.linalg.inv(hessian)
    # 5,000 draws: a variance of 0.5 is known to 0.01 (one standard deviation), a mean to 0.01.
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.04)
    np.testing.assert_allclose(drawn.mean(axis=0), THETA, atol=0.04)


def test_the_least_certain_coefficient_is_explored_most() -> None:
    spread = draws(np.diag([2.0, 1.5, 1.0, 3.0]), 0.5, 2_000).std(axis=0)
    assert np.argsort(spread).tolist() == [3, 0, 1, 2]


def test_one_draw_serves_all_records() -> None:
    twins = IndexedDataset(np.ones((3, 4)), np.ones(3), np.ones(3), np.zeros(3))
    assert len(set(score_linear_model(IndexedModel(THETA, FULL), twins, 1.0).tolist())) == 1


def test_a_generator_of_one_seed_repeats_its_draw() -> None:
    first, second, third = (
        score_linear_model(IndexedModel(THETA, FULL), IDENTITY, 1.0, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != third).all()


def test_without_a_generator_numpy_s_global_seed_repeats_the_draw() -> None:
    before = np.random.get_state()
    scores = []
    for _ in range(2):
        np.random.seed(5)
        scores.append(score_linear_model(IndexedModel(THETA, FULL), IDENTITY, 1.0))
    np.random.set_state(before)
    np.testing.assert_array_equal(scores[0], scores[1])


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more, got -1"):
        score_linear_model(IndexedModel(THETA, FULL), IDENTITY, -1)


def test_exploration_needs_a_hessian() -> None:
    with pytest.raises(ValueError, match="without hessian"):
        score_linear_model(IndexedModel(THETA), IDENTITY, 0.1)


@pytest.mark.parametrize("hessian", [np.diag([1.0, 1.0, 1.0, 0.0]), FULL - 2.0], ids=["diagonal", "full"])
def test_exploration_needs_a_positive_definite_hessian(hessian: Any) -> None:
    with pytest.raises(ValueError, match="positive definite"):
        score_linear_model(IndexedModel(THETA, hessian), IDENTITY, 0.1)
