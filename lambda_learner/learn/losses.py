"""The losses of one record as functions of its margin, in forms that neither overflow nor cancel.

A margin is `offset + x·coefficients`. Logistic labels are -1 or +1, linear ones any number. `gradient` and
`curvature` are the first and second derivatives with respect to the margin, elementwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import numpy as np

from lambda_learner.learn.posterior import FloatArray

__all__ = ["LOSSES", "Kind", "Loss", "scalar_log1p_exp", "scalar_sigmoid", "sigmoid"]

Kind = Literal["logistic", "linear"]


class Loss(NamedTuple):
    """A loss of (margins, labels) and its first two derivatives in the margins."""

    value: Callable[[FloatArray, FloatArray], FloatArray]
    gradient: Callable[[FloatArray, FloatArray], FloatArray]
    curvature: Callable[[FloatArray, FloatArray], FloatArray]


def sigmoid(z: FloatArray) -> FloatArray:
    """1 / (1 + e⁻ᶻ) with full relative accuracy at both ends."""
    decay = np.exp(-np.abs(z))
    value: FloatArray = np.where(z >= 0.0, 1.0, decay) / (1.0 + decay)
    return value


def scalar_sigmoid(z: float) -> float:
    """`sigmoid` of one plain float: a tenth of the cost of an array of one."""
    decay = math.exp(-abs(z))
    return (1.0 if z >= 0.0 else decay) / (1.0 + decay)


def scalar_log1p_exp(z: float) -> float:
    """log(1 + eᶻ) of one plain float, finite for every finite z."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def logistic_value(margins: FloatArray, labels: FloatArray) -> FloatArray:
    """log(1 + e^(-y m))."""
    value: FloatArray = np.logaddexp(0.0, -labels * margins)
    return value


def logistic_gradient(margins: FloatArray, labels: FloatArray) -> FloatArray:
    """-y σ(-y m)."""
    return -labels * sigmoid(-labels * margins)


def logistic_curvature(margins: FloatArray, _labels: FloatArray) -> FloatArray:
    """σ(m) σ(-m), the same for both labels."""
    decay = np.exp(-np.abs(margins))
    value: FloatArray = decay / (1.0 + decay) ** 2
    return value


def linear_value(margins: FloatArray, labels: FloatArray) -> FloatArray:
    """½ (m - y)²."""
    residual = margins - labels
    return 0.5 * residual * residual


def linear_gradient(margins: FloatArray, labels: FloatArray) -> FloatArray:
    """The residual m - y."""
    return margins - labels


def linear_curvature(margins: FloatArray, _labels: FloatArray) -> FloatArray:
    """One for each margin."""
    return np.ones_like(margins)


LOSSES: Final[dict[Kind, Loss]] = {
    "logistic": Loss(logistic_value, logistic_gradient, logistic_curvature),
    "linear": Loss(linear_value, linear_gradient, linear_curvature),
}
