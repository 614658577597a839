"""From named features to matrix columns: which coefficients an entity has, which of them records touch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, compress, repeat
from operator import add
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.learn.state import INTERCEPT, CoefficientPrior, Example, FeatureKey

__all__ = ["Belief", "Cells", "Design", "Index", "cells", "design", "grown", "index_of", "shrunk", "unseen"]

Index: TypeAlias = dict[FeatureKey, int]  # where each coefficient is


class Belief(NamedTuple):
    """Named coefficients, the intercept first, the others sorted, so that their order has no history."""

    names: tuple[FeatureKey, ...]
    posterior: GaussianPosterior


class Design(NamedTuple):
    """A dense matrix of records by columns; `active` holds the columns' coefficients, None when all."""

    matrix: FloatArray
    active: npt.NDArray[np.intp] | None


class Cells(NamedTuple):
    """What all examples hold, one after the other: features, values, and how many of them each has."""

    keys: list[FeatureKey]
    values: list[float]
    lengths: list[int]


def index_of(names: Sequence[FeatureKey]) -> Index:
    """Where each of the names is."""
    return dict(zip(names, range(len(names)), strict=True))


def cells(examples: Sequence[Example]) -> Cells:
    """The examples as flat lists, which the functions below go through without a step of Python a cell."""
    features = [example.features for example in examples]
    values = chain.from_iterable([held.values() for held in features])
    return Cells(list(chain.from_iterable(features)), list(values), list(map(len, features)))


def unseen(table: Cells, positions: Sequence[int | None]) -> set[FeatureKey]:
    """The features that have a value other than 0 and no coefficient; `positions` are those of the cells."""
    if None not in positions:
        return set()
    found = zip(table.keys, table.values, positions, strict=True)
    return {key for key, value, position in found if position is None and value}


def grown(belief: Belief, new: set[FeatureKey], prior: CoefficientPrior) -> tuple[Belief, Index]:
    """The belief with the prior as the belief about `new` features, and its index; O(d), when full O(d²)."""
    names = (INTERCEPT, *sorted((*belief.names[1:], *sorted(new))))  # two sorted runs, which are only merged
    index = index_of(names)
    kept = np.array([index[key] for key in belief.names], dtype=np.intp)
    fresh = prior.posterior(len(names))
    mean, precision = fresh.mean, fresh.precision
    mean[kept] = belief.posterior.mean
    if belief.posterior.is_diagonal:
        precision[kept] = belief.posterior.precision
    else:
        precision = np.diag(precision)
        precision[np.ix_(kept, kept)] = belief.posterior.precision
    return Belief(names, GaussianPosterior(mean, precision)), index


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


def design(table: Cells, positions: Sequence[int | None], d: int, *, sparse: bool) -> Design:
    """The matrix of the examples, 1 in the intercept's column; a cell without a position must be 0.

    `sparse` leaves out those of the d coefficients that no example touches: a diagonal update doesn't move
    them. An explicit intercept feature adds to the 1, as in Lambda Learner.
    """
    columns = [position or 0 for position in positions]
    if not sparse:
        return Design(_dense(table, columns, d), None)
    active = sorted({0, *compress(columns, table.values)})
    place = dict(zip(active, range(len(active)), strict=True))
    matrix = _dense(table, [place.get(column, 0) for column in columns], len(active))
    return Design(matrix, np.array(active, dtype=np.intp))


def _dense(table: Cells, columns: Iterable[int], width: int) -> FloatArray:
    """The matrix of the intercept's 1 and each cell's value, added to its column."""
    n = len(table.lengths)
    starts = range(0, n * width, width)
    flat = map(add, chain.from_iterable(map(repeat, starts, table.lengths)), columns)
    positions = np.array([*starts, *flat], dtype=np.intp)
    sums = np.bincount(positions, [1.0] * n + table.values, n * width)
    return np.asarray(sums, dtype=np.float64).reshape(n, width)


def _marginal_precision(precision: FloatArray, kept: list[int], dropped: list[int]) -> FloatArray:
    """The precision of the kept coefficients once the dropped are integrated out: a Schur complement."""
    between = precision[np.ix_(kept, dropped)]
    lost = between @ np.linalg.solve(precision[np.ix_(dropped, dropped)], between.T)
    remaining: FloatArray = precision[np.ix_(kept, kept)] - 0.5 * (lost + lost.T)
    return remaining
