"""From named features to columns: which coefficients an entity has, and which of them records touch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np

from lambda_learner.learn.many import Records
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.learn.state import INTERCEPT, CoefficientPrior, Example, FeatureKey, Names

__all__ = ["Belief", "Cells", "cells", "grown", "records_of", "shrunk", "unseen"]


class Belief(NamedTuple):
    """What is believed about named coefficients."""

    names: Names
    posterior: GaussianPosterior


class Cells(NamedTuple):
    """What all examples hold, one after the other: features, values, and how many of them each has.

    An example's first cell is the 1 of the intercept; an explicit intercept feature adds to it, as in Lambda Learner.
    """

    keys: list[FeatureKey]
    values: list[float]
    lengths: list[int]


def cells(examples: Sequence[Example]) -> Cells:
    """The examples as flat lists, which the functions below go through without a step of Python a cell."""
    features = [example.features for example in examples]
    keys = chain.from_iterable([(INTERCEPT, *held) for held in features])
    values = chain.from_iterable([(1.0, *held.values()) for held in features])
    return Cells(list(keys), list(values), [1 + len(held) for held in features])


def unseen(table: Cells, positions: Sequence[int | None]) -> set[FeatureKey]:
    """The features that have a value other than 0 and no coefficient; `positions` are those of the cells."""
    if None not in positions:
        return set()
    found = zip(table.keys, table.values, positions, strict=True)
    return {key for key, value, position in found if position is None and value}


def grown(belief: Belief, new: set[FeatureKey], prior: CoefficientPrior) -> Belief:
    """The belief with the prior as the belief about `new` features; O(d), when full O(d²)."""
    names = Names([INTERCEPT, *sorted((*belief.names[1:], *sorted(new)))])  # two sorted runs, which are only merged
    kept = np.array([names.index_by_key[key] for key in belief.names], dtype=np.intp)
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
    return Belief(Names(belief.names[i] for i in kept), GaussianPosterior(mean, precision))


def records_of(
    table: Cells, positions: Sequence[int | None], labels: list[float], examples: Sequence[Example]
) -> Records:
    """The examples as sparse records; a cell without a position must be 0."""
    columns = [position or 0 for position in positions]
    return Records(
        np.array([0, *accumulate(table.lengths)], dtype=np.int64),
        np.array(columns, dtype=np.int64),
        np.array(table.values, dtype=np.float64),
        np.array(labels, dtype=np.float64),
        np.array([example.weight for example in examples], dtype=np.float64),
        np.array([example.offset for example in examples], dtype=np.float64),
    )


def _marginal_precision(precision: FloatArray, kept: list[int], dropped: list[int]) -> FloatArray:
    """The precision of the kept coefficients once the dropped are integrated out: a Schur complement."""
    between = precision[np.ix_(kept, dropped)]
    lost = between @ np.linalg.solve(precision[np.ix_(dropped, dropped)], between.T)
    remaining: FloatArray = precision[np.ix_(kept, kept)] - 0.5 * (lost + lost.T)
    return remaining
