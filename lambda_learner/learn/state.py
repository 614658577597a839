"""The values of the entity learner: its settings, what goes in, what is kept, what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from lambda_learner.learn.losses import Kind
from lambda_learner.learn.names import INTERCEPT, FeatureKey, Names
from lambda_learner.learn.posterior import GaussianPosterior

__all__ = [
    "ESTIMATE",
    "INTERCEPT",
    "CoefficientPrior",
    "EntityState",
    "Example",
    "FeatureKey",
    "LearnResult",
    "LearnerSettings",
    "Names",
    "Noise",
    "NoiseVariance",
    "Score",
]


ESTIMATE: Final[Literal["estimate"]] = "estimate"
NoiseVariance: TypeAlias = float | Literal["estimate"]


class Noise(NamedTuple):
    """What an entity's records say of the noise variance: n - γ, and the weighted sum of their squared residuals.

    The equations are those of `learn/noise.py`. Both are 0 before the first record, and where σ² is a given number.
    """

    degrees: float = 0.0
    squares: float = 0.0


class CoefficientPrior(NamedTuple):
    """The independent normal priors of an entity's coefficients; the intercept has its own."""

    mean: float = 0.0
    precision: float = 1.0
    intercept_mean: float = 0.0
    intercept_precision: float = 1.0

    def of(self, key: FeatureKey) -> tuple[float, float]:
        """The (mean, precision) of one coefficient."""
        if key == INTERCEPT:
            return self.intercept_mean, self.intercept_precision
        return self.mean, self.precision

    def posterior(self, d: int) -> GaussianPosterior:
        """The diagonal prior of d coefficients, the intercept first."""
        mean = np.full(d, self.mean, dtype=np.float64)
        precision = np.full(d, self.precision, dtype=np.float64)
        mean[:1], precision[:1] = self.intercept_mean, self.intercept_precision
        return GaussianPosterior(mean, precision)


@dataclass(frozen=True, slots=True)
class LearnerSettings:
    """How the entities of one model learn.

    `intercept_precision` None is `prior_precision`. `forgetting` is the share of evidence that is kept, 0 to
    1: at each batch, for each record in it, or for each `forgetting_tau_ms` since the last batch.
    `noise_variance` is used by `linear` only: a number > 0, or "estimate", which finds it along with an entity's
    coefficients, from a first guess of 1 that is worth one record (`learn/noise.py`). `max_features` does not
    count the intercept. `exploration` scales the standard deviations of Thompson sampling; learning does not
    read it.
    """

    kind: Kind = "logistic"
    prior_mean: float = 0.0
    prior_precision: float = 1.0
    intercept_mean: float = 0.0
    intercept_precision: float | None = None
    forgetting: float = 1.0
    forgetting_per: Literal["batch", "record", "time"] = "batch"
    forgetting_tau_ms: int = 86_400_000  # one day
    posterior: Literal["diagonal", "full"] = "diagonal"
    noise_variance: NoiseVariance = 1.0
    max_features: int = 10_000
    exploration: float = 1.0

    @property
    def estimates_noise(self) -> bool:
        """Whether the noise variance is learned too."""
        return self.kind == "linear" and self.noise_variance == ESTIMATE

    @property
    def prior(self) -> CoefficientPrior:
        """The priors of the coefficients."""
        apart = self.intercept_precision
        intercept_precision = self.prior_precision if apart is None else apart
        return CoefficientPrior(self.prior_mean, self.prior_precision, self.intercept_mean, intercept_precision)


class Example(NamedTuple):
    """One rewarded decision as the learner sees it; a positive logistic label is a success, any other not."""

    decision_id: str
    features: Mapping[FeatureKey, float]
    label: float
    weight: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class EntityState:
    """What is kept of one entity.

    fence_ms: the close of the last window learned. count: the examples learned so far. base_version: the base that
    gave the offsets. noise: where the noise variance is estimated, what is known of it; the posterior is the one at
    that estimate.
    """

    generation: str
    fence_ms: int
    names: Names
    posterior: GaussianPosterior
    count: int
    base_version: str = ""
    noise: Noise = Noise()


class Score(NamedTuple):
    """How an example was scored before it was learned: margins of the offset alone and with the entity.

    `label` is -1 or +1 for logistic, the example's own for linear.
    """

    decision_id: str
    label: float
    base: float
    score: float


class LearnResult(NamedTuple):
    """The new state of an entity, its examples' scores in order of decision_id, and what happened.

    step: how far the mean has moved from the one that was published, as a Euclidean length; a coefficient that is new
    begins at its prior.
    """

    state: EntityState
    scores: tuple[Score, ...]
    outcome: Literal["learned", "fenced", "non_finite"]
    dropped_features: int = 0
    step: float = 0.0
