"""Scores of features under an entity's coefficients: by their mean, or by one Thompson draw.

Both kinds of coefficients are dicts that answer for every feature: one without a coefficient takes the
prior's mean or a draw from the prior. One Thompson draw serves all candidates of a call, so candidates that
share a feature share its draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from lambda_learner.learn.posterior import GaussianPosterior
from lambda_learner.learn.state import INTERCEPT, CoefficientPrior, FeatureKey

__all__ = ["DrawnCoefficients", "MeanCoefficients", "drawn_coefficients", "margin", "mean_coefficients"]


class MeanCoefficients(dict[FeatureKey, float]):
    """Coefficients by (name, term); one that is missing has the prior's mean."""

    def __init__(self, known: Mapping[FeatureKey, float], prior: CoefficientPrior) -> None:
        """Take the known means and the prior of all others."""
        super().__init__(known)
        self._prior = prior

    def __missing__(self, key: FeatureKey) -> float:
        """The prior's mean; nothing is stored."""
        return self._prior.of(key)[0]


class DrawnCoefficients(dict[FeatureKey, float]):
    """Drawn coefficients by (name, term); one that is missing is drawn from the prior, once."""

    def __init__(
        self,
        known: Mapping[FeatureKey, float],
        prior: CoefficientPrior,
        *,
        alpha: float,
        rng: np.random.Generator,
    ) -> None:
        """Take the known draws, and the prior, scale and randomness for all others."""
        super().__init__(known)
        self._prior, self._alpha, self._rng = prior, alpha, rng

    def __missing__(self, key: FeatureKey) -> float:
        """A draw of N(mean, alpha² / precision), the same at every later look."""
        mean, precision = self._prior.of(key)
        drawn = mean + self._alpha * self._rng.standard_normal() / math.sqrt(precision)
        self[key] = drawn
        return drawn


def mean_coefficients(
    names: Sequence[FeatureKey], posterior: GaussianPosterior | None, prior: CoefficientPrior
) -> MeanCoefficients:
    """The posterior mean by (name, term); without a posterior, the prior's."""
    known = {} if posterior is None else dict(zip(names, posterior.mean.tolist(), strict=True))
    return MeanCoefficients(known, prior)


def drawn_coefficients(
    names: Sequence[FeatureKey],
    posterior: GaussianPosterior | None,
    prior: CoefficientPrior,
    *,
    alpha: float,
    rng: np.random.Generator,
) -> DrawnCoefficients:
    """One draw of N(mean, alpha² precision⁻¹) by (name, term); O(d), for a full precision O(d³)."""
    known = {}
    if posterior is not None:
        known = dict(zip(names, posterior.sample(rng, alpha).tolist(), strict=True))
    return DrawnCoefficients(known, prior, alpha=alpha, rng=rng)


def margin(
    features: Mapping[FeatureKey, float],
    coefficients: MeanCoefficients | DrawnCoefficients,
    *,
    offset: float = 0.0,
) -> float:
    """The sum of offset, intercept and value · coefficient: log-odds for logistic, the reward for linear."""
    total = offset + coefficients[INTERCEPT]
    for key, value in features.items():
        total += value * coefficients[key]
    return total
