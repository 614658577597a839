"""What a base is worth on MovieLens-100K: entities alone, the base alone, and both, as learned and as served.

The base is trained on the first 50,000 decisions by the batch layer's own pipeline; the others are scored by the rules
of the job: windows, the activation log, the learner.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
import orjson

from lambda_learner.archive.rows import ArchiveRow, table_of
from lambda_learner.evaluation.cluster_bootstrap import Difference, differences
from lambda_learner.evaluation.metrics import auc
from lambda_learner.evaluation.movielens.data import IntArray
from lambda_learner.evaluation.movielens.windows import LEARNER, Decisions, entity_scores
from lambda_learner.events import ksuid
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.publish.bases import BaseEntry, BaseLog
from lambda_learner.retrain import DecisionModel, TrainingSettings
from lambda_learner.retrain.base import train_base
from lambda_learner.retrain.offset_model import OffsetModel
from lambda_learner.simulate.movielens import CANDIDATES, LIKED_ABOVE, MODEL, SHIFT_S, MovieLens

__all__ = ["STEPS", "BaseEvidence", "Compared", "evidence"]

TRAINED: Final = 50_000  # decisions that make the base; the others are scored
CALIBRATED: Final = 5_000  # the newest of those, which it is not trained on
MS: Final = 1000
STEPS: Final = ("base: training", "entities alone", "base and entities", "intervals")


class Compared(NamedTuple):
    """AUCs of the decisions that did not train the base; what both have over either, resampled by user."""

    entities: float
    base: float
    both: float
    over_entities: Difference
    over_base: Difference


class BaseEvidence(NamedTuple):
    """The same comparison of the scores that were learned from and of those that were served (`windows.py`)."""

    learned: Compared
    served: Compared


def evidence(
    data: MovieLens, on_step: Callable[[str], None], *, trained: int = TRAINED, calibrated: int = CALIBRATED
) -> BaseEvidence:
    """Train the base and compare; `on_step` is called with each of STEPS before it begins. About a minute."""
    decisions, rng = _decisions(data), np.random.default_rng(0)
    on_step(STEPS[0])
    log, model = _base(data, decisions, trained, calibrated, rng=rng)
    on_step(STEPS[1])
    entities = entity_scores(decisions, BaseLog(), np.zeros(len(decisions.ids)), first=0)
    on_step(STEPS[2])
    offsets = np.zeros(len(decisions.ids))
    offsets[trained:] = model.offsets(decisions.items[trained:], decisions.contexts[trained:])
    both = entity_scores(decisions, log, offsets, first=trained)
    on_step(STEPS[3])
    rest = slice(trained, None)
    labels, users = decisions.labels[rest], decisions.users[rest]
    compared = [
        _compared(alone[rest], offsets[rest], together[rest], labels, users, rng=rng)
        for alone, together in zip(entities, both, strict=True)
    ]
    return BaseEvidence(*compared)


def _decisions(data: MovieLens) -> Decisions:
    items = {movie: orjson.loads(text) for movie, text in data.movies.items()}
    contexts = {user: orjson.loads(text) for user, text in data.users.items()}
    number_of = {user: number for number, user in enumerate(data.users)}
    seconds = [rating[0] + SHIFT_S for rating in data.ratings]
    return Decisions(
        [ksuid.encode(second, place.to_bytes(16, "big")) for place, second in enumerate(seconds)],
        [second * MS for second in seconds],
        np.array([number_of[rating[1]] for rating in data.ratings]),
        [items[rating[2]] for rating in data.ratings],
        [contexts[rating[1]] for rating in data.ratings],
        np.array([float(rating[3] > LIKED_ABOVE) for rating in data.ratings]),
    )


def _base(
    data: MovieLens, decisions: Decisions, trained: int, calibrated: int, *, rng: np.random.Generator
) -> tuple[BaseLog, OffsetModel]:
    """The base of the first decisions, active right after the last of them."""
    rows = _archived(data, decisions, trained, rng)
    cut, last_ms = trained - calibrated, decisions.times_ms[trained - 1]
    base = train_base(
        [table_of(rows[:cut])],
        [table_of(rows[cut:])],
        TrainingSettings(),
        model=MODEL,
        version="first",
        kind=LEARNER.kind,
        entity_paths=("context.user_id",),
        now=datetime.fromtimestamp(last_ms // MS, tz=UTC),
    )
    entry = BaseEntry(base.version, "base", base.kind, last_ms + 1, base.trained_through_ms, *base.calibration)
    return BaseLog((entry,)), OffsetModel(entry, DecisionModel.of_file(base.model_file))


def _archived(data: MovieLens, decisions: Decisions, number: int, rng: np.random.Generator) -> list[ArchiveRow]:
    """The first decisions as the archive has them; a sample is uniform over all movies."""
    movies = list(data.movies.values())
    samples = rng.integers(0, len(movies), size=number).tolist()
    return [
        ArchiveRow(
            decision_id,
            data.movies[movie],
            data.users[user],
            float(CANDIDATES),
            movies[sample],
            f'{{"{decision_id}":1.0}}' if stars > LIKED_ABOVE else "{}",
        )
        for decision_id, sample, (_, user, movie, stars) in zip(decisions.ids, samples, data.ratings, strict=False)
    ]


def _compared(  # noqa: PLR0913, PLR0917 - three scores of the same decisions
    entities: FloatArray,
    base: FloatArray,
    both: FloatArray,
    labels: FloatArray,
    users: IntArray,
    *,
    rng: np.random.Generator,
) -> Compared:
    over = differences(both, (entities, base), labels, users, rng=rng)
    return Compared(auc(entities, labels), auc(base, labels), auc(both, labels), over[0], over[1])
