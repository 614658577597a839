"""The search of `learn/search.py` for the compiled loop: Newton's method with step halving, in either space.

Letters, as in `newton.py`: A the prior's precision, X the records (n, d), W their information, K = X A⁻¹ Xᵀ. The
unknowns v are the n dual weights, where θ = μ + A⁻¹Xᵀv and Q = K, or θ - μ itself, where Q = A; the prior's term is
½ vᵀQv either way.
"""

# ruff: noqa: PLR0913, PLR0917 - numba takes arrays, not objects that hold them

from __future__ import annotations

from math import exp, isfinite, log1p, nan
from typing import Final

import numpy as np

from lambda_learner.learn.many.compiled import compiled
from lambda_learner.learn.many.linear_algebra import add_information, dot, factorise, pulled, solve, times
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.learn.search import MAX_HALVINGS, MIN_DESCENT, ROUNDING, SQUARED_DECREMENT

__all__ = ["search"]

MAX_STEPS: Final = 100  # 4-10 are usual; what takes longer is left to `newton.update`, which tries 2,000
LEAST_INFORMATION: Final = 1e-200  # its root divides, and the quotient must stay finite


@compiled
def _evaluate(
    logistic: bool,
    margins: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    pull: FloatArray,
    information: FloatArray,
) -> float:
    """The weighted loss; `pull` becomes minus its gradient in the margins, `information` its curvature."""
    total = 0.0
    for i in range(len(margins)):
        y, w = labels[i], weights[i]
        if not logistic:
            residual = y - margins[i]
            total += 0.5 * w * residual * residual
            pull[i], information[i] = w * residual, w
            continue
        s = y * margins[i]
        decay = exp(-abs(s))  # the loss and both its derivatives from this one exponential
        high, low = 1.0 / (1.0 + decay), decay / (1.0 + decay)
        p = high if s <= 0.0 else low
        total += w * (max(-s, 0.0) + log1p(decay))
        pull[i], information[i] = w * y * p, w * high * low
    return total


@compiled
def _record_step(kernel: FloatArray, information: FloatArray, residual: FloatArray) -> FloatArray:
    """The z of (I + W K) z = residual, as W^½ (I + W^½ K W^½)⁻¹ W^-½ residual: a matrix with pivots of 1 or more."""
    n = len(residual)
    root: FloatArray = np.sqrt(np.maximum(information, LEAST_INFORMATION))
    matrix = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            matrix[i, j] = root[i] * kernel[i, j] * root[j]
        matrix[i, i] += 1.0
    step: FloatArray = residual / root
    if not factorise(matrix):
        step[0] = nan
    solve(matrix, step)
    step *= root
    return step


@compiled
def _coefficient_step(
    precision: FloatArray, x: FloatArray, information: FloatArray, residual: FloatArray
) -> FloatArray:
    """The z of (A + XᵀWX) z = residual."""
    matrix, step = precision.copy(), residual.copy()
    add_information(matrix, x, information)
    if not factorise(matrix):
        step[0] = nan
    solve(matrix, step)
    return step


@compiled
def search(
    logistic: bool,
    dual: bool,
    x: FloatArray,
    quadratic: FloatArray,
    start: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    unknowns: FloatArray,
    information: FloatArray,
) -> tuple[float, int]:
    """Newton's method from v = 0, halving steps until they descend: the objective and the steps, -1 for no success.

    `unknowns` and `information` become those of the optimum.
    """
    margins, prior_pull, pull = start.copy(), np.zeros(len(unknowns)), np.empty(len(start))
    value = _evaluate(logistic, margins, labels, weights, pull, information)
    for iteration in range(1, MAX_STEPS + 1):
        if dual:
            residual = pull - unknowns
            step = _record_step(quadratic, information, residual)
            pull_step = times(quadratic, step)
            margin_step, decrement = pull_step, dot(residual, pull_step)
        else:
            residual = pulled(x, pull) - prior_pull
            step = _coefficient_step(quadratic, x, information, residual)
            pull_step, margin_step, decrement = times(quadratic, step), times(x, step), dot(residual, step)
        last = not logistic or abs(decrement) <= SQUARED_DECREMENT + ROUNDING * abs(value)
        if not isfinite(decrement):
            return nan, -1
        size = 1.0
        for _ in range(MAX_HALVINGS):
            there, shift = unknowns + size * step, prior_pull + size * pull_step
            reached = margins + size * margin_step
            objective = _evaluate(logistic, reached, labels, weights, pull, information) + 0.5 * dot(there, shift)
            if last or objective <= value - MIN_DESCENT * size * decrement:
                break
            size *= 0.5
        else:
            return value, -1
        unknowns[:], prior_pull, margins, value = there, shift, reached, objective
        if last:
            return value, iteration
    return value, -1
