"""The losses of one record as functions of its margin, in forms that neither overflow nor cancel.

A margin is `offset + x·coefficients`. Logistic labels are -1 or +1, linear ones any number.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log1p
from typing import Final, Literal, NamedTuple

import numpy as np

from lambda_learner.learn.posterior import FloatArray

__all__ = ["LOSSES", "Kind", "Loss", "linear", "logistic", "scalar_log1p_exp", "scalar_sigmoid"]

Kind = Literal["logistic", "linear"]


class Loss(NamedTuple):
    """A loss at given margins and its first two derivatives with respect to them, each of shape (n,)."""

    value: FloatArray
    gradient: FloatArray
    curvature: FloatArray


def scalar_sigmoid(z: float) -> float:
    """1 / (1 + e⁻ᶻ) of one plain float, with full relative accuracy at both ends."""
    decay = exp(-abs(z))
    return (1.0 if z >= 0.0 else decay) / (1.0 + decay)


def scalar_log1p_exp(z: float) -> float:
    """log(1 + eᶻ) of one plain float, finite for every finite z."""
    return (z if z > 0.0 else 0.0) + log1p(exp(-abs(z)))


def logistic(margins: FloatArray, labels: FloatArray) -> Loss:
    """Values log(1 + e^(-y m)), gradients -y σ(-y m), curvatures σ(m) σ(-m), all from one exponential."""
    against = -labels
    z = against * margins
    decay = np.exp(-np.abs(z))
    total = 1.0 + decay
    value = np.maximum(z, 0.0) + np.log1p(decay)
    # e^min(z, 0) is 1 or `decay`, in two thirds of the time of np.where
    return Loss(value, against * np.exp(np.minimum(z, 0.0)) / total, decay / (total * total))


def linear(margins: FloatArray, labels: FloatArray) -> Loss:
    """Values ½ (m - y)², gradients m - y, curvatures 1."""
    residual = margins - labels
    return Loss(0.5 * residual * residual, residual, np.ones_like(residual))


LOSSES: Final[dict[Kind, Callable[[FloatArray, FloatArray], Loss]]] = {
    "logistic": logistic,
    "linear": linear,
}
