"""Scores of records under a linear model, by its theta or by one Thompson draw."""

from __future__ import annotations

import math

import numpy as np

from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.matrices import precision_form
from lambda_learner.trainers.model import IndexedModel

__all__ = ["score_linear_model"]


def score_linear_model(
    model: IndexedModel,
    test_data: IndexedDataset,
    exploration_threshold: float = 0,
    *,
    rng: np.random.Generator | None = None,
) -> FloatArray:
    """Xθ + offsets, shape (n,): margins, with no sigmoid applied.

    With an `exploration_threshold` > 0, θ is one draw of N(theta, threshold · hessian⁻¹) for the whole call:
    Thompson sampling, which explores most what is least certain. A full precision costs O(d³). Without `rng`
    the draw's seed comes from NumPy's global state, so that `numpy.random.seed` repeats it. ValueError for a
    negative threshold, and for one above 0 if the model has no positive definite hessian.

    >>> data = IndexedDataset(np.array([[1.0, 2.0]]), [1], [1], [0.5])
    >>> score_linear_model(IndexedModel(np.array([1.0, -1.0])), data)
    array([-0.5])
    """
    if exploration_threshold < 0:
        message = f"exploration_threshold must be 0 or more, got {exploration_threshold}"
        raise ValueError(message)
    theta = model.theta if exploration_threshold == 0 else _draw(model, exploration_threshold, rng)
    scores: FloatArray = test_data.X @ theta + test_data.offsets
    return scores


def _draw(model: IndexedModel, threshold: float, rng: np.random.Generator | None) -> FloatArray:
    """One draw of N(theta, threshold · hessian⁻¹)."""
    if model.hessian is None:
        message = f"exploration_threshold must be 0 for a model without hessian, got {threshold}"
        raise ValueError(message)
    if rng is None:
        rng = np.random.default_rng(np.random.randint(2**32, size=4, dtype=np.uint32))  # 128 bits of seed
    posterior = GaussianPosterior(np.asarray(model.theta, dtype=np.float64), precision_form(model.hessian))
    return posterior.sample(rng, math.sqrt(threshold))
