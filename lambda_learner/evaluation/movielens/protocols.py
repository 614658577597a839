"""Ways to keep the models of many entities fresh on one stream, each event scored before it is learned.

An entity's events depend on no other entity's, so entities are walked one by one: the scores are those of
the stream in order of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from lambda_learner.evaluation.movielens.data import IntArray
from lambda_learner.learn.newton import update
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior, forget

__all__ = ["Protocol", "Stream", "progressive_scores", "rows_of_entities", "updated"]


class Stream(NamedTuple):
    """n events in order of time as the models of one kind of entity see them.

    entities: (n,), from 0. features: (n, d). labels: (n,), -1 or +1. offsets: (n,), the global model's scores.
    """

    entities: IntArray
    features: FloatArray
    labels: FloatArray
    offsets: FloatArray


class Protocol(NamedTuple):
    """How an entity's model follows the stream; it learns each time `every` of its events have come.

    global: there is none. stale: it stays what the first events made it. retrained: it is fitted anew to all
    events of the entity. incremental: the last posterior, after forgetting the share 1 - `delta`, is the prior
    of the new events, and no past event is kept. `form` and `delta` are of incremental only.
    """

    entity: Literal["user", "movie"]
    how: Literal["global", "stale", "retrained", "incremental"]
    every: int = 1
    form: Literal["full", "diagonal"] = "full"
    delta: float = 1.0


def progressive_scores(stream: Stream, protocol: Protocol, *, start: int, penalty: float) -> FloatArray:
    """The scores of the events from `start` on, shape (n - start,), each from what was learned before it.

    The models begin as batch fits to each entity's events before `start`, under the prior N(0, I / penalty).
    """
    scores = stream.offsets.copy()
    if protocol.how != "global":
        d = stream.features.shape[1]
        prior = GaussianPosterior(np.zeros(d), penalty * np.eye(d))
        for rows in rows_of_entities(stream.entities):
            first = int(np.searchsorted(rows, start))
            past, coming = rows[:first], rows[first:]
            if len(coming):
                scores[coming] += _entity_scores(stream, past, coming, protocol=protocol, prior=prior)
    return scores[start:]


def rows_of_entities(entities: IntArray) -> Iterator[IntArray]:
    """For each entity that occurs, its rows in their order."""
    order = np.argsort(entities, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(entities[order])) + 1)


def updated(stream: Stream, rows: IntArray, prior: GaussianPosterior) -> GaussianPosterior:
    """The posterior after the given rows of one entity. Every model of this package is learned here."""
    records = stream.features[rows], stream.labels[rows], np.ones(len(rows)), stream.offsets[rows]
    return update(*records, prior, kind="logistic").posterior


def _entity_scores(
    stream: Stream, past: IntArray, coming: IntArray, *, protocol: Protocol, prior: GaussianPosterior
) -> FloatArray:
    """What one entity's model adds to the scores of its coming rows."""
    belief = updated(stream, past, prior)
    if protocol.how == "stale":
        return stream.features[coming] @ belief.mean
    if protocol.form == "diagonal":
        belief, prior = _diagonal(belief), _diagonal(prior)
    added = np.empty(len(coming))
    for at in range(0, len(coming), protocol.every):
        batch = coming[at : at + protocol.every]
        added[at : at + protocol.every] = stream.features[batch] @ belief.mean
        if protocol.how == "retrained":
            belief = updated(stream, np.concatenate([past, coming[: at + protocol.every]]), prior)
        else:
            belief = updated(stream, batch, forget(belief, protocol.delta, prior))
    return added


def _diagonal(belief: GaussianPosterior) -> GaussianPosterior:
    return GaussianPosterior(belief.mean, np.diagonal(belief.precision).copy())
