"""How good the scores of learn time and the served ones were: over time, with a margin of error; how calibrated."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.report.data import Floats, Scores
from lambda_learner.evaluation.metrics import auc, log_loss, rmse

__all__ = ["Calibration", "Quality", "Rolling", "as_served", "calibration", "quality", "rolling", "rolling_window"]

WINDOW = 5_000  # decisions: an AUC of so many has a margin of error of about ±0.015
SMALLEST_WINDOW = 200  # decisions: fewer say nothing over time
POINTS = 160  # of a curve: more do not show at the width of a page
CONFIDENCE = 1.96  # standard errors to each side of a 95 % interval
CALIBRATION_BINS = 20  # of equal counts


class Quality(NamedTuple):
    """One metric of the same decisions with and without the entity models; nan where it has no value.

    served: of those among them whose served score is known.
    """

    decisions: int
    entity: float
    base: float
    served: float


class Rolling(NamedTuple):
    """A metric of the `window` decisions up to each time; `error` is half the 95 % interval of `entity`."""

    window: int
    time_ms: npt.NDArray[np.int64]
    entity: Floats
    base: Floats
    served: Floats
    error: Floats


class Calibration(NamedTuple):
    """Bins of equal counts by probability: the mean one, the observed rate and its 95 % interval (Wilson)."""

    probability: Floats
    rate: Floats
    low: Floats
    high: Floats
    gap: float  # mean distance of rate and probability, each bin by its count


def quality(scores: Scores, *, logistic: bool) -> Quality:
    """The AUC (logistic) or the root mean squared error (linear) of all given decisions."""
    metric, known = auc if logistic else rmse, scores.known_as_served()
    values = metric(scores.score, scores.label), metric(scores.base, scores.label)
    return Quality(len(scores.label), *values, metric(known.served, known.label))


def as_served(scores: Scores, *, logistic: bool) -> dict[str, float]:
    """The metrics of the served scores under the names of the progressive ones; nan where one has no value."""
    known = scores.known_as_served()
    metrics = {"auc": auc, "log_loss": log_loss} if logistic else {"rmse": rmse}
    return {name: metric(known.served, known.label) for name, metric in metrics.items()}


def rolling_window(count: int) -> int:
    """How many decisions a point of the curve covers: WINDOW, or a fifth of a short run; 0: too few."""
    window = min(WINDOW, count // 5)
    return window if window >= SMALLEST_WINDOW else 0


def rolling(scores: Scores, *, logistic: bool) -> Rolling | None:
    """The metric over time at POINTS places of equal counts; None with too few decisions or one class."""
    count, window = len(scores.label), rolling_window(len(scores.label))
    if window == 0:
        return None
    ends = np.unique(np.linspace(window, count, POINTS).astype(np.int64))
    parts = [scores.part(end - window, end) for end in ends.tolist()]
    values = np.array([quality(part, logistic=logistic)[1:] for part in parts])
    if np.isnan(values).all():
        return None
    error = np.array([_error(part, value, logistic=logistic) for part, value in zip(parts, values[:, 0], strict=True)])
    entity, base, served = values.T
    return Rolling(window, scores.time_ms[ends - 1], entity, base, served, error)


def _error(scores: Scores, value: float, *, logistic: bool) -> float:
    if math.isnan(value):
        return math.nan
    if logistic:
        positives = int((scores.label > 0).sum())
        return CONFIDENCE * auc_standard_error(value, positives, len(scores.label) - positives)
    squared = (scores.score - scores.label) ** 2
    return CONFIDENCE * float(squared.std()) / math.sqrt(len(squared)) / (2 * value) if value > 0 else 0.0


def auc_standard_error(value: float, positives: int, negatives: int) -> float:
    """The standard error of an AUC (Hanley and McNeil 1982, equation 1, with their exponential Q1 and Q2)."""
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (positives - 1) * (q1 - value**2) + (negatives - 1) * (q2 - value**2)
    return math.sqrt(max(spread, 0.0) / (positives * negatives))


def calibration(scores: Scores) -> Calibration | None:
    """Compare σ(score) with what happened; None with fewer than ten decisions a bin."""
    count = len(scores.label)
    if count < 10 * CALIBRATION_BINS:
        return None
    order = np.argsort(scores.score, kind="stable")
    probability = 0.5 * (1.0 + np.tanh(0.5 * scores.score[order]))  # σ without overflow
    bins = np.array_split(np.arange(count), CALIBRATION_BINS)
    mean = np.array([probability[part].mean() for part in bins])
    rate = np.array([(scores.label[order][part] > 0).mean() for part in bins])
    sizes = np.array([len(part) for part in bins], dtype=np.float64)
    low, high = wilson(rate, sizes)
    return Calibration(mean, rate, low, high, float(np.average(np.abs(rate - mean), weights=sizes)))


def wilson(rate: Floats, count: Floats) -> tuple[Floats, Floats]:
    """The 95 % interval of rates of so many each (Wilson 1927)."""
    square = CONFIDENCE**2 / count
    middle = (rate + square / 2) / (1 + square)
    half = CONFIDENCE / (1 + square) * np.sqrt(rate * (1 - rate) / count + square / (4 * count))
    return middle - half, middle + half
