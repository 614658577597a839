"""The rows T1-T8: what is measured, what was published, what the specification measured, how near it must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np

from lambda_learner.evaluation.metrics import auc
from lambda_learner.evaluation.movielens.data import Ratings
from lambda_learner.evaluation.movielens.game import batch_game, global_coefficients
from lambda_learner.evaluation.movielens.protocols import Protocol, Stream, progressive_scores
from lambda_learner.learn.posterior import FloatArray

__all__ = ["ROWS", "SPLITS", "START", "Row", "measure", "steps_of"]

START: Final = 50_000  # events that make the first models; the others are scored, then learned
PENALTY: Final = 4.0  # the prior precision of T2-T8
SPLITS: Final = 5  # random splits of T1, with the seeds 0 to 4
BATCH_LEVELS: Final = ("global model", "+ per-user models", "+ per-movie models")


class Row(NamedTuple):
    """One number of the table; `protocol` is a stream's, or the level of batch GAME.

    `published` is None where no number was; `expected` is the specification's own measurement.
    """

    target: str
    what: str
    published: float | None
    expected: float
    protocol: Protocol | int

    @property
    def tolerance(self) -> float:
        """How far from `expected` the measured AUC may be; random splits differ by .003 among themselves."""
        return 0.006 if self.target == "T1" else 0.003

    def holds(self, auc: float) -> bool:
        """Whether a measured AUC is within the tolerance."""
        return abs(auc - self.expected) <= self.tolerance


def _user_rows() -> list[Row]:
    full, diagonal = "incremental, full precision", "incremental, diagonal"
    each = {
        "T4": ("fitted anew", Protocol("user", "retrained"), (0.7077, 0.7002, 0.6840)),
        "T5": (full, Protocol("user", "incremental"), (0.7089, 0.7013, 0.6849)),
        "T6": (diagonal, Protocol("user", "incremental", form="diagonal"), (0.7273, 0.7171, 0.6961)),
    }
    return [
        Row(target, f"per user, {what}, m = {every}", None, expected, protocol._replace(every=every))
        for target, (what, protocol, aucs) in each.items()
        for every, expected in zip((1, 5, 20), aucs, strict=True)
    ] + [
        Row("T6", f"per user, {diagonal}, m = {every}, δ = {delta}", None, expected, forgetful)
        for every, delta, expected in ((1, 0.95, 0.7368), (5, 0.8, 0.7246), (20, 0.8, 0.7005))
        for forgetful in (Protocol("user", "incremental", every, "diagonal", delta),)
    ]


ROWS: Final = (
    Row("T1", f"batch, {BATCH_LEVELS[0]}", 0.6237, 0.6273, 0),
    Row("T1", f"batch, {BATCH_LEVELS[1]}", 0.7058, 0.7059, 1),
    Row("T1", f"batch, {BATCH_LEVELS[2]}", 0.7599, 0.7599, 2),
    Row("T2", "global model only", None, 0.6080, Protocol("user", "global")),
    Row("T3", "per user, stale", None, 0.6125, Protocol("user", "stale")),
    *_user_rows(),
    Row("T7", "per movie, stale", None, 0.6934, Protocol("movie", "stale")),
    Row("T7", "per movie, fitted anew, m = 1", None, 0.7013, Protocol("movie", "retrained")),
    Row("T7", "per movie, incremental, full precision, m = 1", None, 0.7012, Protocol("movie", "incremental")),
    Row(
        "T7",
        "per movie, incremental, diagonal, m = 1",
        None,
        0.6999,
        Protocol("movie", "incremental", form="diagonal"),
    ),
    Row(
        "T7",
        "per movie, incremental, full precision, m = 1, δ = 0.8",
        None,
        0.6750,
        Protocol("movie", "incremental", delta=0.8),
    ),
    Row("T8", "fresh: incremental, full precision, m = 1", None, 0.7089, Protocol("user", "incremental")),
    Row("T8", "delayed: fitted anew, m = 20", None, 0.6840, Protocol("user", "retrained", 20)),
)


def steps_of(rows: Iterable[Row]) -> int:
    """How many steps `measure` takes: one a split of batch GAME, one a different protocol."""
    protocols = {row.protocol for row in rows}
    levels = {protocol for protocol in protocols if isinstance(protocol, int)}
    return len(protocols - levels) + (SPLITS if levels else 0)


def measure(ratings: Ratings, rows: Iterable[Row], on_step: Callable[[str], None]) -> list[float]:
    """The AUC of each row; `on_step` is called before each step with what is measured next."""
    known: dict[Protocol | int, float] = {}
    streams: dict[str, Stream] = {}
    measured = []
    for row in rows:
        if row.protocol not in known and isinstance(row.protocol, int):
            known |= enumerate(_batch(ratings, on_step))
        elif isinstance(row.protocol, Protocol) and row.protocol not in known:
            on_step(row.what)
            streams = streams or _streams(ratings)
            known[row.protocol] = _progressive(streams[row.protocol.entity], row.protocol)
        measured.append(known[row.protocol])
    return measured


def _batch(ratings: Ratings, on_step: Callable[[str], None]) -> list[float]:
    """Batch GAME's AUC a level, the mean over the splits."""
    splits = []
    for seed in range(SPLITS):
        on_step(f"batch, split {seed + 1} of {SPLITS}")
        splits.append(batch_game(ratings, np.random.default_rng(seed)))
    means: list[float] = np.mean(splits, axis=0).tolist()
    return means


def _streams(ratings: Ratings) -> dict[str, Stream]:
    """What the models of users and of movies see, above a global model of the first events."""
    features = ratings.global_features()
    offsets: FloatArray = features @ global_coefficients(features[:START], ratings.labels[:START])
    movies, users = ratings.movie_features[ratings.movies], ratings.user_features[ratings.users]
    return {
        "user": Stream(ratings.users, movies, ratings.labels, offsets),
        "movie": Stream(ratings.movies, users, ratings.labels, offsets),
    }


def _progressive(stream: Stream, protocol: Protocol) -> float:
    scores = progressive_scores(stream, protocol, start=START, penalty=PENALTY)
    return auc(scores, stream.labels[START:])
