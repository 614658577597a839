"""The weights of decisions: how likely each was, and how often a bootstrap sample has it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from lambda_learner.evaluation.off_policy import MIN_PROPENSITY
from lambda_learner.retrain.draws import Digests, Purpose, uniform

__all__ = ["bootstrap_of", "bootstrap_weights", "inverse_propensity_weights"]

Floats = npt.NDArray[np.float64]

_MAX_COUNT: Final = 20  # Poisson(1) is greater once in 5·10¹⁹ times


def inverse_propensity_weights(propensities: npt.ArrayLike, mean_item_count: float) -> Floats:
    """1/p / mean item count: about 1 where the choice was as likely as by chance."""
    weights: Floats = 1.0 / np.maximum(np.asarray(propensities, np.float64), MIN_PROPENSITY) / mean_item_count
    return weights


def bootstrap_weights(uniform: Floats) -> Floats:
    """How often each row is in a sample drawn with replacement: Poisson(1) by its quantile at the row's draw.

    37 % are 0: the rows that are left out. The others have Poisson(1) given that it is over 0, as the
    original gives them.
    """
    weights: Floats = np.searchsorted(_POISSON, uniform, side="right").astype(np.float64)
    return weights


def bootstrap_of(draws: Digests, *, explore: bool) -> Floats:
    """The bootstrap weights of decisions, all 1 when the model is not to explore."""
    return bootstrap_weights(uniform(draws, Purpose.BOOTSTRAP)) if explore else np.ones(len(draws))


_POISSON: Final = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(_MAX_COUNT)])
