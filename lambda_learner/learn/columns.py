"""From named features to matrix columns: which coefficients an entity has, which of them records touch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.learn.state import INTERCEPT, CoefficientPrior, Example, FeatureKey

__all__ = ["Belief", "Design", "design", "grown", "shrunk", "unseen"]


class Belief(NamedTuple):
    """Named coefficients, the intercept first, the others sorted, so that their order has no history."""

    names: tuple[FeatureKey, ...]
    posterior: GaussianPosterior


class Design(NamedTuple):
    """A dense matrix of records by columns; `active` holds the columns' coefficients, None when all."""

    matrix: FloatArray
    active: npt.NDArray[np.intp] | None


def unseen(examples: Iterable[Example], index: dict[FeatureKey, int]) -> set[FeatureKey]:
    """The features that have a value other than 0 in some example and no coefficient yet."""
    return {key for example in examples for key, value in example.features.items() if value} - index.keys()


def grown(belief: Belief, new: set[FeatureKey], prior: CoefficientPrior) -> Belief:
    """The belief with the prior as the belief about `new` features; O(d log d), when full O(d²)."""
    names = (INTERCEPT, *sorted((*belief.names[1:], *new)))
    index = {key: position for position, key in enumerate(names)}
    kept = [index[key] for key in belief.names]
    fresh = prior.posterior(len(names))
    mean, precision = fresh.mean, fresh.precision
    mean[kept] = belief.posterior.mean
    if belief.posterior.is_diagonal:
        precision[kept] = belief.posterior.precision
    else:
        precision = np.diag(precision)
        precision[np.ix_(kept, kept)] = belief.posterior.precision
    return Belief(names, GaussianPosterior(mean, precision))


def shrunk(belief: Belief, max_features: int) -> Belief:
    """The belief about the intercept and the `max_features` most certain others.

    Certain is a small marginal variance; the first name wins a tie. The others are integrated out.
    """
    if len(belief.names) - 1 <= max_features:
        return belief
    order = np.argsort(belief.posterior.marginal_variance()[1:], kind="stable") + 1
    kept = [0, *sorted(order[:max_features].tolist())]
    mean, precision = belief.posterior.mean[kept], belief.posterior.precision
    if belief.posterior.is_diagonal:
        precision = precision[kept]
    else:
        precision = _marginal_precision(precision, kept, sorted(order[max_features:].tolist()))
    return Belief(tuple(belief.names[i] for i in kept), GaussianPosterior(mean, precision))


def design(examples: Sequence[Example], index: dict[FeatureKey, int], *, sparse: bool) -> Design:
    """The matrix of the examples, 1 in the intercept's column; features must be in `index` or be 0.

    `sparse` leaves out the coefficients that no example touches: a diagonal update doesn't move them. An
    explicit intercept feature adds to the 1, as in Lambda Learner.
    """
    rows = [[(index[key], value) for key, value in e.features.items() if value] for e in examples]
    if not sparse:
        return Design(_dense(rows, range(len(index))), None)
    active = sorted({0}.union(*([position for position, _ in row] for row in rows)))
    matrix = _dense(rows, {position: column for column, position in enumerate(active)})
    return Design(matrix, np.array(active, dtype=np.intp))


def _dense(rows: Sequence[Sequence[tuple[int, float]]], column: Mapping[int, int] | range) -> FloatArray:
    """The matrix of rows of (position, value), each position put in its column, with the intercept's 1."""
    matrix = []
    for row in rows:
        values = [1.0] + [0.0] * (len(column) - 1)
        for position, value in row:
            values[column[position]] += value
        matrix.append(values)
    return np.array(matrix, dtype=np.float64).reshape(len(rows), len(column))


def _marginal_precision(precision: FloatArray, kept: list[int], dropped: list[int]) -> FloatArray:
    """The precision of the kept coefficients once the dropped are integrated out: a Schur complement."""
    between = precision[np.ix_(kept, dropped)]
    lost = between @ np.linalg.solve(precision[np.ix_(dropped, dropped)], between.T)
    remaining: FloatArray = precision[np.ix_(kept, kept)] - 0.5 * (lost + lost.T)
    return remaining
