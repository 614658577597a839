"""The Bayesian update: from a Gaussian prior and n records to the Laplace approximation of the posterior.

With A, μ the prior's precision and mean, σ² the noise variance (linear only) and ℓ the loss of a margin:

    new mean      = argmin  1/σ² Σ wᵢ ℓ(yᵢ, xᵢᵀθ + oᵢ) + ½ (θ-μ)ᵀ A (θ-μ)
    new precision = A + 1/σ² Σ wᵢ ℓ'' xᵢ xᵢᵀ, at the new mean; its diagonal only when A is a vector

One record is a scalar equation. With n <= d the unknowns are n dual weights a with θ = μ + A⁻¹Xᵀa, as for
Gaussian process classifiers (Rasmussen & Williams, Gaussian Processes for Machine Learning, §3.4), so a
diagonal prior never makes a d x d matrix: n²d once and n³ an iteration. Else Newton's method on the d
coefficients. The linear loss is quadratic: one Newton step is its closed form.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lambda_learner.learn.losses import Kind, scalar_log1p_exp, scalar_sigmoid
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.learn.search import (
    MAX_ITERATIONS,
    coefficient_space,
    minimise,
    record_space,
)

__all__ = ["NewtonResult", "update"]

ROOT_TOLERANCE: Final = 1e-14  # relative, of the scalar equation's margin


class NewtonResult(NamedTuple):
    """The posterior, the objective at its mean, and how the search went."""

    posterior: GaussianPosterior
    loss: float
    iterations: int
    converged: bool


class _Dual(NamedTuple):
    """The solution for one record: θ = μ + weight · A⁻¹x, and the precision gains information · xxᵀ."""

    weight: float
    information: float
    loss: float
    iterations: int
    converged: bool


def update(  # noqa: PLR0913 - the records are four parallel arrays
    features: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    offsets: FloatArray,
    prior: GaussianPosterior,
    *,
    kind: Kind,
    noise_variance: float = 1.0,
) -> NewtonResult:
    """The posterior after n records, in the prior's form.

    features: (n, d); labels, weights >= 0, offsets: (n,); logistic labels are -1 or +1. `noise_variance` > 0
    divides the weights of the linear loss and is ignored by the logistic one. No records give the prior.
    Numbers too large for float64 come out as inf or nan, and LinAlgError means the same: the caller checks.
    """
    if kind == "linear" and noise_variance != 1.0:
        weights = weights / noise_variance
    n, d = features.shape
    if n == 0:
        return NewtonResult(prior, 0.0, 0, converged=True)
    if n == 1:
        record = (float(labels[0]), float(weights[0]), float(offsets[0]))
        return _update_with_one(features[0], record, prior, kind=kind)
    start = features @ prior.mean + offsets
    space = record_space(features, prior) if n <= d else coefficient_space(features, prior)
    point, iterations, converged = minimise(space, start, labels, weights, kind=kind)
    precision = _add_information(prior.precision, features, point.information)
    posterior = GaussianPosterior(prior.mean + space.to_shift(point.unknowns), precision)
    return NewtonResult(posterior, point.value, iterations, converged)


def _update_with_one(
    x: FloatArray, record: tuple[float, float, float], prior: GaussianPosterior, *, kind: Kind
) -> NewtonResult:
    """`update` for one (label, weight, offset), its margin's equation solved in plain floats."""
    label, weight, offset = record
    a = prior.precision
    spread = x / a if prior.is_diagonal else np.linalg.solve(a, x)
    variance = float(x @ spread)
    start = float(x @ prior.mean) + offset
    solve = _linear_dual if kind == "linear" else _logistic_dual
    dual = solve(start, label, weight, variance)
    # information · (xxᵀ), not (information · x)xᵀ, is exactly symmetric
    added = dual.information * (x * x if prior.is_diagonal else np.outer(x, x))
    posterior = GaussianPosterior(prior.mean + dual.weight * spread, a + added)
    return NewtonResult(posterior, dual.loss, dual.iterations, dual.converged)


def _linear_dual(start: float, label: float, weight: float, variance: float) -> _Dual:
    """The closed form for one linear record; `variance` is xᵀA⁻¹x."""
    dual = weight * (label - start) / (1.0 + weight * variance)
    residual = label - (start + variance * dual)
    loss = 0.5 * (weight * residual * residual + variance * dual * dual)
    return _Dual(dual, weight, loss, iterations=1, converged=True)


def _logistic_dual(start: float, label: float, weight: float, variance: float) -> _Dual:
    """The solution for one logistic record: s = y m solves s = s₀ + c σ(-s), c = weight · variance."""
    first = label * start
    s, iterations, converged = _root(first, weight * variance)
    p = scalar_sigmoid(-s)
    information = weight * p * scalar_sigmoid(s)
    # Both are the dual weight; each is exact where the other loses digits to the error in s.
    dual = weight * p if information * variance < 1.0 else (s - first) / variance
    loss = weight * scalar_log1p_exp(-s) + 0.5 * variance * dual * dual
    return _Dual(label * dual, information, loss, iterations, converged)


def _root(first: float, pull: float) -> tuple[float, int, bool]:
    """The s with s = first + pull σ(-s), `pull` >= 0, by Newton's method kept inside a bracket.

    A step that leaves the bracket, or is not half as long as the last, bisects instead: with features of 1e6
    Newton's steps alone go to and fro between the bracket's ends.
    """
    low, high = first, first + pull * scalar_sigmoid(-first)
    s, last = low, 2.0 * (high - low)
    for iteration in range(1, MAX_ITERATIONS + 1):
        p = scalar_sigmoid(-s)
        excess = s - first - pull * p
        if excess > 0.0:
            high = s
        else:
            low = s
        step = -excess / (1.0 + pull * p * (1.0 - p))
        if not (low <= s + step <= high and abs(step) <= 0.5 * abs(last)):
            step = 0.5 * (low + high) - s
        s, last = s + step, step
        if abs(step) <= ROOT_TOLERANCE * max(1.0, abs(s)):
            return s, iteration, True
    return s, MAX_ITERATIONS, False


def _add_information(precision: FloatArray, features: FloatArray, information: FloatArray) -> FloatArray:
    """`precision` + Σ information xᵢxᵢᵀ in the form of `precision`; exactly symmetric when full."""
    if precision.ndim == 1:
        return precision + information @ (features * features)
    added = features.T @ (information[:, None] * features)
    return precision + 0.5 * (added + added.T)
