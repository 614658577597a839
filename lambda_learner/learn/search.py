"""Newton's method with step halving for the objective of `newton.update`, in either of its two spaces.

The unknowns v are dual weights (record space, θ = μ + A⁻¹Xᵀv) or θ - μ itself (coefficient space). Either way
the margins are `start` plus a linear map of v and the prior's term is ½ vᵀQv.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from lambda_learner.learn.losses import LOSSES, Kind
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior

__all__ = [
    "MAX_ITERATIONS",
    "Line",
    "Optimum",
    "Point",
    "Space",
    "coefficient_space",
    "minimise",
    "record_space",
]

MAX_ITERATIONS: Final = 2_000  # 4-10 are usual; 40 records with 8 features of 1e6 took up to 1,600
MAX_HALVINGS: Final = 60  # a full step can be 1e13 times too long for features of 1e6
MIN_DESCENT: Final = 1e-4  # share of the predicted decrease that a step must bring (Armijo)
# Squared Newton decrement (squared distance to the optimum in posterior standard deviations) before the last
# step, which then squares the distance; below ROUNDING of the objective a decrease cannot be seen in it.
SQUARED_DECREMENT: Final = 1e-12
ROUNDING: Final = 1e-15


class Space(NamedTuple):
    """The unknowns v of a search: how many, the Newton step from a point, and the shift of the mean for v."""

    unknowns: int
    line: Callable[[Point], Line]
    to_shift: Callable[[FloatArray], FloatArray]


class Point(NamedTuple):
    """Where a search is: prior_pull is Q · unknowns, pull and information the weighted derivatives.

    `pull` is minus the gradient of the loss in the margins, `information` its curvature.
    """

    unknowns: FloatArray
    margins: FloatArray
    prior_pull: FloatArray
    value: float
    pull: FloatArray
    information: FloatArray


class Optimum(NamedTuple):
    """The last point of a search and how it went."""

    point: Point
    iterations: int
    converged: bool


class Line(NamedTuple):
    """A Newton step in the terms of `Point`; the decrease it predicts is half its squared Newton decrement."""

    step: FloatArray
    margin_step: FloatArray
    pull_step: FloatArray
    decrement: float


_At = Callable[[FloatArray, FloatArray, FloatArray], Point]  # of unknowns, margins, prior_pull


def record_space(features: FloatArray, prior: GaussianPosterior) -> Space:
    """The search over one dual weight a record: K = X A⁻¹ Xᵀ gives both its margins and its prior term."""
    spread, kernel = _dual_kernel(features, prior)
    identity = np.eye(len(kernel))

    def line(point: Point) -> Line:
        scaled = point.information[:, None] * kernel
        scaled += identity
        residual = point.pull - point.unknowns
        step = np.linalg.solve(scaled, residual)
        margin_step = kernel @ step
        return Line(step, margin_step, margin_step, float(residual @ margin_step))

    return Space(len(kernel), line, lambda dual: spread @ dual)


def _dual_kernel(features: FloatArray, prior: GaussianPosterior) -> tuple[FloatArray, FloatArray]:
    """A⁻¹Xᵀ, which turns dual weights into a shift of the mean, and the symmetric K = X A⁻¹ Xᵀ."""
    a = prior.precision
    spread: FloatArray = (features / a).T if prior.is_diagonal else np.linalg.solve(a, features.T)
    kernel = features @ spread
    return spread, 0.5 * (kernel + kernel.T)


def coefficient_space(features: FloatArray, prior: GaussianPosterior) -> Space:
    """The search over θ - μ."""
    d = features.shape[1]
    a = np.diag(prior.precision) if prior.is_diagonal else prior.precision

    def line(point: Point) -> Line:
        hessian = a + features.T @ (point.information[:, None] * features)
        residual = features.T @ point.pull - point.prior_pull
        step = np.linalg.solve(hessian, residual)
        return Line(step, features @ step, a @ step, float(residual @ step))

    return Space(d, line, lambda shift: shift)


def minimise(space: Space, start: FloatArray, labels: FloatArray, weights: FloatArray, *, kind: Kind) -> Optimum:
    """Newton's method from the prior mean, whose margins are `start`, halving steps until they descend."""
    loss, against = LOSSES[kind], -weights

    def at(unknowns: FloatArray, margins: FloatArray, prior_pull: FloatArray) -> Point:
        value, gradient, curvature = loss(margins, labels)
        total = float(weights @ value) + 0.5 * float(unknowns @ prior_pull)
        return Point(unknowns, margins, prior_pull, total, against * gradient, weights * curvature)

    zeros = np.zeros(space.unknowns)
    point = at(zeros, start, zeros)
    for iteration in range(1, MAX_ITERATIONS + 1):
        line = space.line(point)
        if not math.isfinite(line.decrement):
            return Optimum(point._replace(unknowns=line.step, value=math.nan), iteration, converged=False)
        if kind == "linear" or _closes(line.decrement, point.value):
            return Optimum(_moved(point, line, 1.0, at), iteration, converged=True)
        descended = _descended(point, line, at)
        if descended is None:
            return Optimum(point, iteration, converged=False)
        point = descended
    return Optimum(point, MAX_ITERATIONS, converged=False)


def _closes(decrement: float, value: float) -> bool:
    """Whether one more Newton step, with this squared decrement at this objective, is the last to make."""
    return abs(decrement) <= SQUARED_DECREMENT + ROUNDING * abs(value)


def _moved(point: Point, line: Line, size: float, at: _At) -> Point:
    """The point `size` Newton steps along the line."""
    step, margin_step, pull_step, _ = line
    if size != 1.0:  # most steps are whole
        step, margin_step, pull_step = size * step, size * margin_step, size * pull_step
    return at(point.unknowns + step, point.margins + margin_step, point.prior_pull + pull_step)


def _descended(point: Point, line: Line, at: _At) -> Point | None:
    """The first of 1, ½, ¼, … steps that lowers the objective enough; None when none does."""
    size = 1.0
    for _ in range(MAX_HALVINGS if line.decrement > 0.0 else 0):  # below 0 only by rounding
        moved = _moved(point, line, size, at)
        if moved.value <= point.value - MIN_DESCENT * size * line.decrement:
            return moved
        size *= 0.5
    return None
