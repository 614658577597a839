"""Estimates with their influence on each row, so that any two of them on the same rows can be compared in pairs.

An estimate V̂ is asymptotically linear: V̂ - V ≈ 1/n Σ ψᵢ, with ψᵢ the influence of row i. Its variance is then
that of a mean, and that of a difference of two estimates is the one of the mean of ψᵢ - φᵢ: rows on which both models
agree cancel out. For a self-normalised mean Σ wᵢ yᵢ / Σ wᵢ, ψᵢ = wᵢ (yᵢ - V̂) / w̄ (the delta method; Owen, Monte Carlo
theory, methods and examples, §9.2). Rows of one cluster, such as a user, may depend on each other: their influences
are summed before they are squared (Liang & Zeger, Biometrika 73, 1986).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Comparison", "Estimate", "Interval", "compare", "effective_size", "interval"]

FloatArray = npt.NDArray[np.float64]
MIN_CLUSTERS = 2  # one cluster says nothing of how clusters differ


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A value and what each of the n rows contributed.

    influence: (n,), of mean 0. weights: (n,), ≥ 0, from which the effective sample size comes. `name` says what is
    estimated. The value is nan when no row has a weight.
    """

    name: str
    value: float
    influence: FloatArray
    weights: FloatArray
    larger_is_better: bool


class Interval(NamedTuple):
    """A value and the two ends of its interval."""

    value: float
    low: float
    high: float


class Comparison(NamedTuple):
    """A candidate's estimate against an incumbent's, on the same rows.

    `gain` is the paired difference, above 0 where the candidate is the better one, in the unit of the values;
    `low` and `high` are the ends of its interval. `effective_size` is the least of four: for each model that of the
    weights, and that of the absolute influences (Owen, §9.3). By the latter, p n rewards of 1 among n rows count as
    4 p (1 - p) n, and rewards that are all equal as none: the interval is then short only because nothing was seen.
    """

    name: str
    candidate: float
    incumbent: float
    gain: float
    low: float
    high: float
    effective_size: float
    rows: int

    def as_fields(self) -> Mapping[str, str | float | int | None]:
        """The comparison as JSON has it: None for what is not finite."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self._asdict().items()
        }


def interval(estimate: Estimate, clusters: npt.ArrayLike | None = None, *, share: float = 0.95) -> Interval:
    """The asymptotic interval that holds the true value with probability `share`; infinite for fewer than 2 clusters.

    clusters: (n,), equal values for rows that may depend on each other; None: no two rows do.
    """
    return _interval(estimate.value, estimate.influence, clusters, share)


def compare(
    candidate: Estimate, incumbent: Estimate, clusters: npt.ArrayLike | None = None, *, share: float = 0.95
) -> Comparison:
    """The paired comparison of two estimates of the same name, made of the same rows; ValueError otherwise."""
    if candidate.name != incumbent.name or len(candidate.influence) != len(incumbent.influence):
        message = (
            f"two estimates can be compared if they are of one kind and of the same rows, got {candidate.name} of "
            f"{len(candidate.influence)} rows and {incumbent.name} of {len(incumbent.influence)}"
        )
        raise ValueError(message)
    sign = 1.0 if candidate.larger_is_better else -1.0
    gain = sign * (candidate.value - incumbent.value)
    found = _interval(gain, sign * (candidate.influence - incumbent.influence), clusters, share)
    size = min(_least_size(one, clusters) for one in (candidate, incumbent))
    return Comparison(candidate.name, candidate.value, incumbent.value, *found, size, len(candidate.influence))


def effective_size(weights: FloatArray, clusters: npt.ArrayLike | None = None) -> float:
    """How many equally weighted rows, or clusters, are worth as much: (Σw)² / Σw²; 0 without any weight.

    Kish, Survey Sampling, 1965.
    """
    sums = _cluster_sums(weights, clusters)
    squares = float(sums @ sums)
    return float(sums.sum()) ** 2 / squares if squares > 0.0 else 0.0


def _least_size(estimate: Estimate, clusters: npt.ArrayLike | None) -> float:
    influences = np.abs(_cluster_sums(estimate.influence, clusters))
    return min(effective_size(estimate.weights, clusters), effective_size(influences))


def _interval(value: float, influence: FloatArray, clusters: npt.ArrayLike | None, share: float) -> Interval:
    if not 0.0 < share < 1.0:
        message = f"share must be between 0 and 1, got {share}"
        raise ValueError(message)
    sums = _cluster_sums(influence, clusters)
    if len(sums) < MIN_CLUSTERS:
        return Interval(value, -math.inf, math.inf)
    correction = len(sums) / (len(sums) - 1)
    error = math.sqrt(correction * float(sums @ sums)) / len(influence)
    half = NormalDist().inv_cdf(0.5 * (1.0 + share)) * error
    return Interval(value, value - half, value + half)


def _cluster_sums(values: FloatArray, clusters: npt.ArrayLike | None) -> FloatArray:
    if clusters is None:
        return values
    _, group = np.unique(np.asarray(clusters), return_inverse=True)
    if len(group) != len(values):
        message = f"clusters must name one for each of the {len(values)} rows, got {len(group)}"
        raise ValueError(message)
    return np.bincount(group, weights=values).astype(np.float64, copy=False)
