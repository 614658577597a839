"""The update of many entities as one compiled loop; the mathematics is that of `newton.py`, which explains it.

Letters: A, μ the prior's precision and mean, X the records (n, d), K = X A⁻¹ Xᵀ; A = L Lᵀ, V = X L⁻ᵀ, so K = V Vᵀ.
"""

# ruff: noqa: PLR0913, PLR0917 - numba takes arrays, not objects that hold them

from __future__ import annotations

from math import isfinite, nan
from typing import Final

import numpy as np

from lambda_learner.learn.many.arrays import IntArray, Records, first_misfit
from lambda_learner.learn.many.compiled import compiled, entry_point
from lambda_learner.learn.many.linear_algebra import (
    add_information,
    dot,
    factorise,
    mirror,
    pulled,
    solve,
    solve_back,
    solve_forward,
    times,
)
from lambda_learner.learn.many.search import search
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.learn.state import CoefficientPrior

__all__ = ["CALLED", "learn_all"]

# CRC-32 of arrays.py, compiled.py, linear_algebra.py, search.py and ../search.py, pinned by a test. Numba's cache of
# machine code asks for the age of one file, that of the function which Python calls: this one. So this one changes
# with them.
CALLED: Final = "e41fb71f"


@compiled
def _dense(records: Records, first: int, last: int, local: IntArray, width: int) -> FloatArray:
    """The matrix of records `first` to `last`, column c at `local[c]`; cells of one column add up."""
    x = np.zeros((last - first, width))
    for i in range(first, last):
        for cell in range(records.starts[i], records.starts[i + 1]):
            x[i - first, local[records.columns[cell]]] += records.values[cell]
    return x


@compiled
def _touched(records: Records, first: int, last: int, d: int) -> tuple[IntArray, IntArray]:
    """The columns that the records touch, rising, and where each of the d columns is among them.

    Rising, so that the order of a record's cells leaves no trace in the sums.
    """
    local = np.zeros(d, dtype=np.int64)
    for cell in range(records.starts[first], records.starts[last]):
        local[records.columns[cell]] = 1
    columns = np.flatnonzero(local)
    for i in range(len(columns)):
        local[columns[i]] = i
    return columns, local


@compiled
def _kernel(left: FloatArray, right: FloatArray) -> FloatArray:
    """K from two matrices (n, d) whose product left · rightᵀ it is: X and X A⁻¹, or V twice."""
    n = len(left)
    kernel = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            kernel[i, j] = kernel[j, i] = dot(left[i], right[j])
    return kernel


@compiled
def _optimum(
    logistic: bool,
    dual: bool,
    x: FloatArray,
    quadratic: FloatArray,
    records: Records,
    first: int,
    mean: FloatArray,
) -> tuple[FloatArray, FloatArray, float, int]:
    """The unknowns, the information of each record, the objective and the steps.

    The unknowns are one weight a record when `dual`, with K for the `quadratic`; else the shift of the mean, with A.
    """
    n, d = x.shape
    labels, weights = records.labels[first : first + n], records.weights[first : first + n]
    start = times(x, mean) + records.offsets[first : first + n]
    unknowns, information = np.zeros(n if dual else d), np.empty(n)
    loss, steps = search(logistic, dual, x, quadratic, start, labels, weights, unknowns, information)
    return unknowns, information, loss, steps


@compiled
def _learn_diagonal(
    logistic: bool,
    first: int,
    last: int,
    records: Records,
    delta: float,
    prior: CoefficientPrior,
    mean: FloatArray,
    precision: FloatArray,
    margins: FloatArray,
) -> tuple[float, int]:
    """Score, forget and learn one entity's records, in place; learn among the coefficients that they touch."""
    columns, local = _touched(records, first, last, len(mean))
    x = _dense(records, first, last, local, len(columns))
    margins[first:last] = times(x, mean[columns]) + records.offsets[first:last]
    if delta != 1.0:
        _forget_diagonal(delta, prior, mean, precision)
    if first == last:
        return 0.0, 0
    a = precision[columns]
    dual = len(x) <= len(columns)
    spread = x / a if dual else np.empty((0, 0))
    quadratic = _kernel(x, spread) if dual else np.diag(a)
    unknowns, information, loss, steps = _optimum(logistic, dual, x, quadratic, records, first, mean[columns])
    for i in range(len(x)):
        a += information[i] * x[i] * x[i]
    mean[columns] += pulled(spread, unknowns) if dual else unknowns
    precision[columns] = a
    return loss, steps


@compiled
def _learn_full(
    logistic: bool,
    first: int,
    last: int,
    records: Records,
    delta: float,
    prior: CoefficientPrior,
    mean: FloatArray,
    precision: FloatArray,
    margins: FloatArray,
) -> tuple[float, int]:
    """`_learn_diagonal` with a `precision` of (d, d), among all coefficients."""
    d = len(mean)
    x = _dense(records, first, last, np.arange(d), d)
    margins[first:last] = times(x, mean) + records.offsets[first:last]
    dual = len(x) <= d
    factor = np.empty((0, 0))
    if delta != 1.0 or dual:
        factor = _forget_full(delta, prior, mean, precision)
        if len(factor) == 0:
            return nan, -1
    if first == last:
        return 0.0, 0
    v = x.copy() if dual else np.empty((0, 0))
    solve_forward(factor, v)
    quadratic = _kernel(v, v) if dual else precision
    unknowns, information, loss, steps = _optimum(logistic, dual, x, quadratic, records, first, mean)
    add_information(precision, x, information)
    mirror(precision)
    if dual:
        shift = pulled(v, unknowns)
        solve_back(factor, shift)
        mean += shift
    else:
        mean += unknowns
    return loss, steps


@compiled
def _forget_diagonal(delta: float, prior: CoefficientPrior, mean: FloatArray, precision: FloatArray) -> None:
    """A = δH + (1-δ)Λ and μ = A⁻¹(δHθ + (1-δ)Λm₀), in place."""
    for j in range(len(mean)):
        m, a = (prior.mean, prior.precision) if j else (prior.intercept_mean, prior.intercept_precision)
        kept, renewed = delta * precision[j], (1.0 - delta) * a
        precision[j] = kept + renewed
        mean[j] = (kept * mean[j] + renewed * m) / precision[j]


@compiled
def _forget_full(delta: float, prior: CoefficientPrior, mean: FloatArray, precision: FloatArray) -> FloatArray:
    """`_forget_diagonal` for a full precision: its Cholesky factor, empty when it is not positive definite."""
    if delta == 1.0:
        factor = precision.copy()
        return factor if factorise(factor) else np.empty((0, 0))
    precision *= delta
    target = times(precision, mean)
    for j in range(len(mean)):
        m, a = (prior.mean, prior.precision) if j else (prior.intercept_mean, prior.intercept_precision)
        precision[j, j] += (1.0 - delta) * a
        target[j] += (1.0 - delta) * a * m
    factor = precision.copy()
    if not factorise(factor):
        return np.empty((0, 0))
    solve(factor, target)
    mean[:] = target
    return factor


@compiled
def _is_finite(numbers: FloatArray) -> bool:
    for number in numbers:  # noqa: SIM110 - numba knows no all()
        if not isfinite(number):
            return False
    return True


@entry_point("from lambda_learner.learn.many import compile_kernel; compile_kernel()")
def learn_all(
    logistic: bool,
    full: bool,
    firsts: IntArray,
    records: Records,
    places: IntArray,
    blocks: IntArray,
    deltas: FloatArray,
    prior: CoefficientPrior,
    means: FloatArray,
    precisions: FloatArray,
    margins: FloatArray,
    losses: FloatArray,
    steps: IntArray,
) -> int:
    """Score, forget, then learn the records of each entity, in place; `steps` is -1 for one that is left as it was.

    That happens when numbers are not finite, a matrix is not positive definite, or the search takes long. Gives what
    `first_misfit` does; unless that is 0, nothing has been done.
    """
    misfit = first_misfit(firsts, records, places, blocks, len(means), len(precisions))
    if misfit:
        return misfit
    for e in range(len(firsts) - 1):
        mean = means[places[e] : places[e + 1]].copy()
        flat = precisions[blocks[e] : blocks[e + 1]].copy()
        first, last, delta = firsts[e], firsts[e + 1], deltas[e]
        if full:
            matrix = flat.reshape(len(mean), len(mean))
            losses[e], steps[e] = _learn_full(logistic, first, last, records, delta, prior, mean, matrix, margins)
        else:
            losses[e], steps[e] = _learn_diagonal(logistic, first, last, records, delta, prior, mean, flat, margins)
        if not (isfinite(losses[e]) and _is_finite(mean) and _is_finite(flat)):
            steps[e] = -1
        if steps[e] >= 0:
            means[places[e] : places[e + 1]] = mean
            precisions[blocks[e] : blocks[e + 1]] = flat
    return 0
