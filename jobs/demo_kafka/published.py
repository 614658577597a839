"""Chooses by what is published: coefficients for those who come again, the retrained model for those who are new.

Before there is either, a random choice: an app works from its first day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from jobs.demo_kafka.app import By, Choice
from jobs.demo_kafka.world import Visit
from lambda_learner.publish.errors import BucketError, NotPublished
from lambda_learner.publish.model_keys import MODEL_EXTENSION, latest_key
from lambda_learner.publish.store import Store
from lambda_learner.retrain.decision import DecisionModel

__all__ = ["LatestModel", "Published", "Ranks", "Scorer"]

LOOK_AGAIN_S: Final = 1.0  # for coefficients that were not there, and for a newer model


class Ranks(Protocol):
    """`lambda_learner.serve.Ranker`."""

    def scores(self, items: Sequence[Any], context: Any = None) -> list[float]:
        """Give each item's score, explored by Thompson sampling; NotPublished before there is anything."""
        ...


class Scorer(Protocol):
    """A decision model."""

    def score(self, items: Sequence[Any], context: Any = None, *, noise: float = 0.0) -> npt.ArrayLike:
        """Give each item's score; `noise` in [0, 1) is what it explores by."""
        ...


class LatestModel:
    """The model that is the latest in the bucket, loaded when it has changed."""

    def __init__(self, store: Store, model: str) -> None:
        """Name the model; nothing is read yet."""
        self._store, self._key = store, latest_key(model, MODEL_EXTENSION)
        self._etag = ""
        self._model: DecisionModel | None = None

    def __call__(self) -> Scorer | None:
        """The latest model; the one before where the bucket does not answer, None where there never was one."""
        try:
            found = self._store.get(self._key)
            if found is not None and found.etag != self._etag:
                self._model, self._etag = DecisionModel.of_file(found.data, self._key), found.etag
        except BucketError:
            pass
        return self._model


class Published:
    """Chooses by coefficients and models, each from when on it is there."""

    def __init__(self, ranker: Ranks, latest: Callable[[], Scorer | None], rng: np.random.Generator) -> None:
        """Take the ranker, what gives the latest model, and the generator of random choices and noise."""
        self._ranker, self._latest, self._rng = ranker, latest, rng
        self._model: Scorer | None = None
        self._look_s: dict[By, float] = {"coefficients": -np.inf, "model": -np.inf}

    def choose(self, visit: Visit, now_s: float) -> Choice:
        """The best by the published models, or a random choice."""
        context = {"user": visit.user}
        scores = self._for_new(visit, context, now_s) if visit.is_new else self._for_regular(visit, context, now_s)
        if scores is None:
            return Choice(int(self._rng.integers(len(visit.candidates))), "chance")
        return Choice(int(np.argmax(scores)), "model" if visit.is_new else "coefficients")

    def _for_regular(self, visit: Visit, context: Mapping[str, str], now_s: float) -> npt.ArrayLike | None:
        if not now_s >= self._look_s["coefficients"]:
            return None
        try:
            return self._ranker.scores(visit.candidates, context)
        except NotPublished:  # each question is a request to the bucket
            self._look_s["coefficients"] = now_s + LOOK_AGAIN_S
            return None

    def _for_new(self, visit: Visit, context: Mapping[str, str], now_s: float) -> npt.ArrayLike | None:
        if now_s >= self._look_s["model"]:
            self._model, self._look_s["model"] = self._latest(), now_s + LOOK_AGAIN_S
        if self._model is None:
            return None
        return self._model.score(visit.candidates, context, noise=float(self._rng.random()))
