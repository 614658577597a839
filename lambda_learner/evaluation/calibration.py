"""How often the intervals of the linear model hold the true coefficients, in a simulated world that fits it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

from lambda_learner.learn.newton import update
from lambda_learner.learn.noise import Noise, NoisePrior, intervals, update_with_noise
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior

__all__ = ["LinearWorld", "coverage"]

SHARE: Final = 0.9  # of the intervals, that ought to hold the truth
_Records = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # features, labels, weights, offsets


class LinearWorld(NamedTuple):
    """Coefficients from their prior N(0, I / prior_precision), and records that follow them.

    An intercept, the other features normal with correlation ½ among them, offsets normal, weights w uniform
    from 0.3 to 3, and noise of variance `noise_variance` / w. Records come in batches of `batch`.
    """

    records: int
    coefficients: int
    noise_variance: float
    prior_precision: float = 1.0
    batch: int = 10

    def draw(self, rng: np.random.Generator) -> tuple[FloatArray, _Records]:
        """True coefficients, and the (features, labels, weights, offsets) of their records."""
        n, d = self.records, self.coefficients
        theta = rng.normal(size=d) / np.sqrt(self.prior_precision)
        features = np.sqrt(0.5) * (rng.normal(size=(n, d)) + rng.normal(size=(n, 1)))
        features[:, 0] = 1.0
        weights, offsets = rng.uniform(0.3, 3.0, size=n), rng.normal(size=n)
        noise = rng.normal(size=n) * np.sqrt(self.noise_variance / weights)
        return theta, (features, features @ theta + offsets + noise, weights, offsets)


def coverage(
    world: LinearWorld,
    rng: np.random.Generator,
    *,
    models: int,
    form: Literal["full", "diagonal"],
    noise_prior: NoisePrior | None,
) -> float:
    """The share of models x coefficients 90 % intervals that hold the truth; `noise_prior` None: σ² is known."""
    inside = 0
    for _ in range(models):
        theta, records = world.draw(rng)
        low, high = _learned_intervals(world, records, form=form, noise_prior=noise_prior)
        inside += int(((low <= theta) & (theta <= high)).sum())
    return inside / (models * world.coefficients)


def _learned_intervals(
    world: LinearWorld,
    records: _Records,
    *,
    form: Literal["full", "diagonal"],
    noise_prior: NoisePrior | None,
) -> tuple[FloatArray, FloatArray]:
    d = world.coefficients
    prior = GaussianPosterior(np.zeros(d), np.full(d, world.prior_precision))
    posterior = prior if form == "diagonal" else GaussianPosterior(prior.mean, np.diag(prior.precision))
    noise = Noise()
    for at in range(0, world.records, world.batch):
        x, y, w, o = (part[at : at + world.batch] for part in records)
        if noise_prior is None:
            posterior = update(x, y, w, o, posterior, kind="linear", noise_variance=world.noise_variance).posterior
        else:
            posterior, noise = update_with_noise(
                x, y, w, o, posterior, noise=noise, prior=prior, noise_prior=noise_prior
            )
    known = noise_prior is None
    return intervals(posterior, None if known else noise, prior=prior, noise_prior=noise_prior, share=SHARE)
