"""From a base model's score to the offset of the learner: a + b · score, fitted on decisions later than its training.

Logistic: log-odds of a reward, by penalised maximum likelihood (Platt scaling without Platt's targets). Scores are
standardised first, and a and b get wide normal priors, so that labels all equal or perfectly split give finite numbers
(Gelman, Jakulin, Pittau & Su, A weakly informative default prior distribution for logistic regression, 2008). Linear:
the reward, by least squares.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from lambda_learner.learn.losses import Kind
from lambda_learner.learn.newton import update
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior

__all__ = ["Calibration", "calibrate", "constant_base"]

# Of the log-odds at the mean score, standard deviation 10; and of what one standard deviation of the score adds, 2.5.
PRIOR_PRECISION: Final = (0.01, 0.16)
HALF: Final = 0.5


class Calibration(NamedTuple):
    """The offset of a score is intercept + slope · score."""

    intercept: float
    slope: float


def calibrate(scores: FloatArray, labels: FloatArray, kind: Kind) -> Calibration:
    """Fit the offset to labels, both (n,); a logistic label above 0 is a success.

    Scores that are all equal give the constant base. ValueError for what is not finite or of two lengths.
    """
    _check(scores, labels)
    spread = float(scores.std()) if len(scores) else 0.0
    if not spread > 0.0:
        return constant_base(labels, kind)
    centre = float(scores.mean())
    standard = (scores - centre) / spread
    if kind == "linear":
        intercept, slope = float(labels.mean()), float(standard @ labels) / len(labels)
    else:
        intercept, slope = _logistic(standard, labels)
    return Calibration(intercept - slope * centre / spread, slope / spread)


def constant_base(labels: FloatArray, kind: Kind) -> Calibration:
    """The offset without a base: the mean reward, or the logit of the mean rate; 0 for no labels.

    Half a success and half a failure are added to the rate, so that its logit is finite.
    """
    if kind == "linear":
        return Calibration(float(labels.mean()) if len(labels) else 0.0, 0.0)
    successes = float(np.count_nonzero(labels > 0.0))
    return Calibration(math.log((successes + HALF) / (len(labels) - successes + HALF)), 0.0)


def _logistic(standard: FloatArray, labels: FloatArray) -> tuple[float, float]:
    n = len(labels)
    signs = np.where(labels > 0.0, 1.0, -1.0)
    prior = GaussianPosterior(np.zeros(2), np.diag(PRIOR_PRECISION))
    features = np.column_stack((np.ones(n), standard))
    found = update(features, signs, np.ones(n), np.zeros(n), prior, kind="logistic").posterior
    return float(found.mean[0]), float(found.mean[1])


def _check(scores: FloatArray, labels: FloatArray) -> None:
    if scores.shape != labels.shape:
        message = f"there must be a label for each score, got {len(scores)} scores and {len(labels)} labels"
        raise ValueError(message)
    for name, array in (("scores", scores), ("labels", labels)):
        if not np.isfinite(array).all():
            message = f"{name} must be finite, got {array[~np.isfinite(array)][0]}"
            raise ValueError(message)
