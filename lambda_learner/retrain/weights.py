"""The weights of decisions: how likely each was, as it was logged, and how often a bootstrap sample has it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from lambda_learner.retrain.draws import Digests, Purpose, uniform

__all__ = ["bootstrap_of", "bootstrap_weights", "logged_propensities", "logged_propensity"]

Floats = npt.NDArray[np.float64]

_MAX_COUNT: Final = 20  # Poisson(1) is greater once in 5·10¹⁹ times


def logged_propensities(column: pa.ChunkedArray) -> Floats:
    """The archive's propensities, nan where a decision carried none; the column has texts or bytes of JSON."""
    logged = np.full(len(column), np.nan)
    if column.null_count == len(column):
        return logged
    for place, text in enumerate(column.to_pylist()):
        chance = logged_propensity(text)
        if chance is not None:
            logged[place] = chance
    return logged


def logged_propensity(text: str | bytes | None) -> float | None:
    """The propensity of an archived row; None without one, and for what is no number over 0 and at most 1."""
    try:
        value = None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:  # not of our writing
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0.0 < value <= 1.0 else None


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
