"""Exact metrics of scores against labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["auc", "log_loss", "rmse"]


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The chance that a positive (label > 0) scores above a negative, a tie counting half; O(n log n).

    nan when a class is missing. It is the Mann-Whitney statistic from the mean ranks of tied scores.
    """
    positive = np.asarray(labels) > 0
    positives = int(positive.sum())
    negatives = positive.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, group, sizes = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(sizes) - 0.5 * (sizes - 1)
    rank_sum = float(mean_rank[group][positive].sum())
    return (rank_sum - 0.5 * positives * (positives + 1)) / (positives * negatives)


def log_loss(margins: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The mean of log(1 + e^(-y m)) in nats, for labels -1 and +1; nan without records."""
    z = -np.asarray(labels, dtype=np.float64) * np.asarray(margins, dtype=np.float64)
    return float(np.logaddexp(0.0, z).mean()) if z.size else float("nan")


def rmse(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The root of the mean squared error, in the label's unit; nan without records."""
    error = np.asarray(scores, dtype=np.float64) - np.asarray(labels, dtype=np.float64)
    return float(np.sqrt((error * error).mean())) if error.size else float("nan")
