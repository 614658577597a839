"""Newton's method with step halving for the objective of `newton.update`, in either of its two spaces.

The unknowns v are dual weights (record space, θ = μ + A⁻¹Xᵀv) or θ - μ itself (coefficient space). Either way
the margins are `start + to_margins v` and the prior's term is ½ vᵀ quadratic v.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from lambda_learner.learn.losses import LOSSES, Kind
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior

__all__ = ["MAX_ITERATIONS", "Optimum", "Space", "coefficient_space", "minimise", "record_space"]

MAX_ITERATIONS: Final = 200  # 4-10 are usual; features of 1e6 that contradict the prior take about 60
MAX_HALVINGS: Final = 60  # a full step can be 1e13 times too long for features of 1e6
MIN_DESCENT: Final = 1e-4  # share of the predicted decrease that a step must bring (Armijo)
# Squared Newton decrement (squared distance to the optimum in posterior standard deviations) before the last
# step; below ROUNDING of the objective a decrease cannot be seen in it any more.
SQUARED_DECREMENT: Final = 1e-16
ROUNDING: Final = 1e-15


class Space(NamedTuple):
    """The unknowns v of a search: margins = start + to_margins v, prior term ½ vᵀ quadratic v."""

    to_margins: FloatArray
    quadratic: FloatArray
    step: Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]
    to_shift: Callable[[FloatArray], FloatArray]


class _Point(NamedTuple):
    """Where a search is; prior_pull is quadratic · unknowns, value the objective."""

    unknowns: FloatArray
    margins: FloatArray
    prior_pull: FloatArray
    value: float


class _Line(NamedTuple):
    """A Newton step in the terms of `_Point`, with its squared Newton decrement."""

    step: FloatArray
    margin_step: FloatArray
    pull_step: FloatArray
    decrement: float


class Optimum(NamedTuple):
    """The last point of a search and how it went."""

    point: _Point
    iterations: int
    converged: bool


_Objective = Callable[[FloatArray, FloatArray, FloatArray], float]  # of margins, unknowns, prior_pull


def record_space(features: FloatArray, prior: GaussianPosterior) -> Space:
    """The search over one dual weight a record: K = X A⁻¹ Xᵀ is both its margins and its quadratic."""
    a = prior.precision
    spread = (features / a).T if prior.is_diagonal else np.linalg.solve(a, features.T)
    kernel = features @ spread
    kernel = 0.5 * (kernel + kernel.T)
    identity = np.eye(len(kernel))

    def step(
        pull: FloatArray, information: FloatArray, dual: FloatArray, _prior_pull: FloatArray
    ) -> FloatArray:
        return np.linalg.solve(identity + information[:, None] * kernel, pull - dual)

    return Space(kernel, kernel, step, lambda dual: spread @ dual)


def coefficient_space(features: FloatArray, prior: GaussianPosterior) -> Space:
    """The search over θ - μ."""
    a = np.diag(prior.precision) if prior.is_diagonal else prior.precision

    def step(
        pull: FloatArray, information: FloatArray, _shift: FloatArray, prior_pull: FloatArray
    ) -> FloatArray:
        hessian = a + features.T @ (information[:, None] * features)
        return np.linalg.solve(hessian, features.T @ pull - prior_pull)

    return Space(features, a, step, lambda shift: shift)


def minimise(
    space: Space, start: FloatArray, labels: FloatArray, weights: FloatArray, *, kind: Kind
) -> Optimum:
    """Newton's method from the prior mean, whose margins are `start`, halving steps until they descend."""
    loss = LOSSES[kind]

    def objective(margins: FloatArray, unknowns: FloatArray, prior_pull: FloatArray) -> float:
        return float(weights @ loss.value(margins, labels)) + 0.5 * float(unknowns @ prior_pull)

    zeros = np.zeros(space.quadratic.shape[0])
    point = _Point(zeros, start, zeros, objective(start, zeros, zeros))
    for iteration in range(1, MAX_ITERATIONS + 1):
        pull = -weights * loss.gradient(point.margins, labels)
        information = weights * loss.curvature(point.margins, labels)
        line = _line(space, point, pull, information)
        if not math.isfinite(line.decrement):
            return Optimum(point._replace(unknowns=line.step, value=math.nan), iteration, converged=False)
        if kind == "linear" or line.decrement <= SQUARED_DECREMENT + ROUNDING * abs(point.value):
            return Optimum(_moved(point, line, 1.0, objective), iteration, converged=True)
        descended = _descended(point, line, objective)
        if descended is None:
            return Optimum(point, iteration, converged=False)
        point = descended
    return Optimum(point, MAX_ITERATIONS, converged=False)


def _line(space: Space, point: _Point, pull: FloatArray, information: FloatArray) -> _Line:
    """The Newton step from `point`; the decrease it predicts is half its decrement."""
    step = space.step(pull, information, point.unknowns, point.prior_pull)
    margin_step = space.to_margins @ step
    pull_step = margin_step if space.quadratic is space.to_margins else space.quadratic @ step
    decrement = float(pull @ margin_step) - float(point.unknowns @ pull_step)
    return _Line(step, margin_step, pull_step, decrement)


def _moved(point: _Point, line: _Line, size: float, objective: _Objective) -> _Point:
    """The point `size` Newton steps along the line."""
    unknowns = point.unknowns + size * line.step
    margins = point.margins + size * line.margin_step
    prior_pull = point.prior_pull + size * line.pull_step
    return _Point(unknowns, margins, prior_pull, objective(margins, unknowns, prior_pull))


def _descended(point: _Point, line: _Line, objective: _Objective) -> _Point | None:
    """The first of 1, ½, ¼, … steps that lowers the objective enough; None when none does."""
    size = 1.0
    for _ in range(MAX_HALVINGS):
        moved = _moved(point, line, size, objective)
        if moved.value <= point.value - MIN_DESCENT * size * line.decrement:
            return moved
        size *= 0.5
    return None
