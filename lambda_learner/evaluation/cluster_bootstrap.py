"""Intervals of AUCs and of their differences, by resampling whole clusters such as users.

Decisions of one user hang together, so resampling them one by one would give intervals that are too narrow. A resample
is a weight for each cluster: how often it was drawn (Efron & Tibshirani, An Introduction to the Bootstrap, 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Difference", "WeightedAuc", "differences"]

RESAMPLES: Final = 500
LEVEL: Final = 0.95

FloatArray = npt.NDArray[np.float64]


class Difference(NamedTuple):
    """How much greater one AUC is than another, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


class WeightedAuc:
    """The AUC of fixed scores and labels for any weights of the records; sorted once, then O(n) for each."""

    def __init__(self, scores: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        """Take the scores and the labels, of which those over 0 are positive."""
        _, self._group = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
        self._positive = np.asarray(labels) > 0

    def of(self, weights: FloatArray) -> float:
        """The AUC, a tie counting half; nan when a class has no weight."""
        groups = int(self._group.max()) + 1
        positive = np.bincount(self._group, weights * self._positive, groups)
        negative = np.bincount(self._group, weights * ~self._positive, groups)
        pairs = float(positive.sum() * negative.sum())
        below = np.cumsum(negative) - 0.5 * negative
        return float(positive @ below) / pairs if pairs else float("nan")


def differences(  # noqa: PLR0913 - scores, and how they are resampled
    better: npt.ArrayLike,
    others: Sequence[npt.ArrayLike],
    labels: npt.ArrayLike,
    clusters: npt.NDArray[np.int64],
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> list[Difference]:
    """How much greater the AUC of some scores is than those of others, on the same resamples of the clusters.

    clusters: (n,), each record's, from 0. The interval is that of the percentiles.
    """
    first, rest = WeightedAuc(better, labels), [WeightedAuc(scores, labels) for scores in others]
    number = int(clusters.max()) + 1
    draws = rng.multinomial(number, np.full(number, 1.0 / number), size=resamples)
    everyone = np.ones((1, number), dtype=np.int64)
    found = np.array([_gains(first, rest, weights[clusters].astype(np.float64)) for weights in (*everyone, *draws)])
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.nanpercentile(found[1:], [tail, 100.0 - tail], axis=0)
    return [Difference(*map(float, each)) for each in zip(found[0], low, high, strict=True)]


def _gains(first: WeightedAuc, rest: Sequence[WeightedAuc], weights: FloatArray) -> list[float]:
    auc = first.of(weights)
    return [auc - other.of(weights) for other in rest]
