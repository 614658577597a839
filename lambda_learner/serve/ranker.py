"""Ranks candidates with a model's base and published coefficients, exploring by Thompson sampling (DESIGN §4–§6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lambda_learner.features import entity_of, flatten
from lambda_learner.learn.base_change import NO_BASE, posterior_under_base
from lambda_learner.learn.posterior import GaussianPosterior
from lambda_learner.learn.score import (
    DrawnCoefficients,
    MeanCoefficients,
    drawn_coefficients,
    margin,
    mean_coefficients,
)
from lambda_learner.publish.store import Store, open_store
from lambda_learner.serve.live import Live, LiveModel

__all__ = ["Ranked", "Ranker"]

Coefficients = MeanCoefficients | DrawnCoefficients


class Ranked(NamedTuple):
    """A candidate and its score: log-odds of a reward (`logistic`) or the reward (`linear`)."""

    item: Any
    score: float


class Ranker:
    """Ranks candidates of one model; new publishes are used without a restart. Thread-safe.

    What is published is looked at again when it is `refresh_s` old, in the call that finds it so; if that
    cannot be read, the last good state stays in use and a warning is logged. The base is the one whose time has
    come; the log of bases is looked at once a minute, for it is written minutes ahead. Cost of a call: the
    flattening of each candidate, with exploration a draw of O(d) an entity, O(d³) with a full posterior; with a base
    about 100 µs, and 20 a candidate. A base needs the extra `train`.
    """

    def __init__(  # noqa: PLR0913 - options, each with its default
        self,
        bucket: str | Path | Store,
        model: str,
        *,
        alpha: float = 1.0,
        rng: np.random.Generator | None = None,
        refresh_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Name the bucket and the model; the first call reads.

        `alpha` scales the standard deviations of exploration; `rng` None draws from fresh entropy. `wall_clock`
        gives unix seconds.
        """
        if not alpha >= 0:
            message = f"alpha must be a number ≥ 0, got {alpha!r}"
            raise ValueError(message)
        store = open_store(bucket) if isinstance(bucket, str | Path) else bucket
        now_ms = _milliseconds(wall_clock)
        self._live = LiveModel(store, model, refresh_s=refresh_s, clock=clock, now_ms=now_ms)
        self._alpha = alpha
        self._rng = np.random.default_rng() if rng is None else rng

    def rank(self, items: Sequence[Any], context: Any = None, *, explore: bool = True) -> list[Ranked]:
        """Give the items best first; of equal scores the earlier item first."""
        ranked = map(Ranked, items, self.scores(items, context, explore=explore))
        return sorted(ranked, key=lambda candidate: -candidate.score)

    def scores(self, items: Sequence[Any], context: Any = None, *, explore: bool = True) -> list[float]:
        """Give each item's score, in their order.

        One θ is drawn for each entity and call, shared by all its candidates; what the entity has no
        coefficient for is drawn from the prior. `explore=False` uses the means. Without an entity (its path
        is missing or null) a candidate gets the base's score alone: 0 without a base. What an entity has
        learned over the base before counts half; over the first one, or without a base, nothing of it does.
        Where the noise variance is estimated, what is published is the posterior at the estimate, and θ is
        drawn from that. Raises NotPublished for a model that nothing was ever published of.
        """
        live = self._live.current()
        spec, paths = live.spec, live.generation.entity_paths
        base = live.base
        offsets = base.candidates(items, context).tolist() if base else [0.0] * len(items)
        version = base.entry.version if base else NO_BASE
        drawn: dict[str, Coefficients] = {}
        scores = []
        for item, offset in zip(items, offsets, strict=True):
            entity = entity_of(item, context, paths)
            if entity is None:
                scores.append(offset)
                continue
            if entity not in drawn:
                drawn[entity] = self._coefficients(live, entity, version, explore=explore)
            scores.append(margin(flatten(item, context, spec).values, drawn[entity], offset=offset))
        return scores

    def _coefficients(self, live: Live, entity: str, version: str, *, explore: bool) -> Coefficients:
        prior, found = live.generation.prior, self._live.entity(live, entity)
        names, posterior = (found.names if found else ()), None
        if found is not None:
            learned = GaussianPosterior(found.mean, found.precision)
            posterior = posterior_under_base(learned, names, prior, learned_with=found.base_version, active=version)
        if posterior is None:
            names = ()
        if not explore or self._alpha == 0:
            return mean_coefficients(names, posterior, prior)
        return drawn_coefficients(names, posterior, prior, alpha=self._alpha, rng=self._rng)


def _milliseconds(wall_clock: Callable[[], float]) -> Callable[[], int]:
    return lambda: int(wall_clock() * 1000)
