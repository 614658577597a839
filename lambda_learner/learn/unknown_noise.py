"""A window's update where the noise variance is estimated: `noise.update_with_noise` for an entity's records."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lambda_learner.learn.many import Records
from lambda_learner.learn.many.arrays import dense
from lambda_learner.learn.noise import NoisePrior, noise_variance, update_with_noise
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.learn.state import CoefficientPrior, Noise

__all__ = ["NOISE_PRIOR", "BeliefWithNoise", "forget_with_noise", "learn_with_noise"]

ROUNDING: Final = 1e-10  # the share by which rounding may make a precision indefinite; publishing raises it by as much
NOISE_PRIOR: Final = NoisePrior()  # what a stored state was learned with: another one takes a new generation


class BeliefWithNoise(NamedTuple):
    """The coefficients' posterior, and what is known of σ²: the posterior is the one at that estimate."""

    posterior: GaussianPosterior
    noise: Noise


def learn_with_noise(
    records: Records, before: BeliefWithNoise, prior: CoefficientPrior, *, delta: float
) -> tuple[BeliefWithNoise | None, FloatArray]:
    """The belief after forgetting the share 1 - `delta` and learning the records, and their margins before.

    None in place of a belief that is not finite. Costs 5 to 20 updates with a known σ², over dense arrays: n records
    of d coefficients take n d numbers.
    """
    x = dense(records, 0, len(records.labels), len(before.posterior.mean))
    with np.errstate(all="ignore"):
        margins = x @ before.posterior.mean + records.offsets
    return _updated((x, records.labels, records.weights, records.offsets), before, prior, delta), margins


def forget_with_noise(before: BeliefWithNoise, prior: CoefficientPrior, *, delta: float) -> BeliefWithNoise:
    """The belief after forgetting alone; as it was if that is not finite."""
    none = np.zeros(0)
    return _updated((np.zeros((0, len(before.posterior.mean))), none, none, none), before, prior, delta) or before


def _updated(
    arrays: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    before: BeliefWithNoise,
    prior: CoefficientPrior,
    delta: float,
) -> BeliefWithNoise | None:
    known = prior.posterior(len(before.posterior.mean))
    with np.errstate(all="ignore"):
        try:
            posterior, noise = update_with_noise(
                *arrays, before.posterior, noise=before.noise, prior=known, noise_prior=NOISE_PRIOR, delta=delta
            )
            finite = np.isfinite(posterior.mean).all() and _is_positive(posterior)
        except np.linalg.LinAlgError:
            return None
    sound = finite and 0.0 < noise_variance(noise, NOISE_PRIOR) < np.inf
    return BeliefWithNoise(posterior, noise) if sound else None


def _is_positive(posterior: GaussianPosterior) -> bool:
    """Whether the precision is finite and positive definite; under a prior other than its own it may not stay so."""
    precision = posterior.precision
    if not posterior.is_diagonal:
        precision = np.diagonal(np.linalg.cholesky(precision + ROUNDING * np.diag(np.diagonal(precision))))
    return bool(np.isfinite(precision).all() and (precision > 0.0).all())
