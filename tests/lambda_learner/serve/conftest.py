"""A bucket with one model, and a clock that tests move by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import INTERCEPT, CoefficientPrior
from lambda_learner.publish import (
    EntityCoefficients,
    FolderStore,
    Generation,
    ShardWriter,
    Update,
    publish_generation,
    shard_of,
)
from lambda_learner.serve.ranker import Ranker

GENERATION = Generation(
    generation="0123456789ab",
    kind="logistic",
    entity_paths=("context.user",),
    features=("item",),
    reward=RewardPolicy(),
    prior=CoefficientPrior(mean=0.5, precision=4.0, intercept_mean=-1.0, intercept_precision=16.0),
    shards=2,
)


class Bucket:
    """Publishes to one model, every window a second after the last; makes rankers of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = FolderStore(folder)
        self.now_s = 0.0
        self.close_ms = 0
        self.generation = GENERATION

    def set_generation(self, **changes: Any) -> None:
        self.generation = replace(self.generation, **changes)
        publish_generation(self.store, "movies", self.generation, epoch=1)

    def publish(self, *updates: Update) -> None:
        self.close_ms += 1000
        for shard in range(self.generation.shards):
            mine = [u for u in updates if shard_of(u.entity, self.generation.shards) == shard]
            ShardWriter(self.store, "movies", self.generation.generation, shard, 1).publish(self.close_ms, mine)

    def learned(
        self, entity: str, means: dict[str, float], *, precision: Any = 1.0, intercept: float = 0.0
    ) -> EntityCoefficients:
        """Coefficients of the intercept and of genres; `precision` a number for all or a matrix."""
        names = (INTERCEPT, *(("item.genre", genre) for genre in means))
        mean = np.array([intercept, *means.values()])
        given = np.asarray(precision, float)
        precisions = given if given.ndim else np.full(len(names), given)
        return EntityCoefficients(entity, self.close_ms + 1000, 1, names, mean, precisions)

    def ranker(self, **options: Any) -> Ranker:
        given: dict[str, Any] = {"clock": lambda: self.now_s, "rng": np.random.default_rng(7)} | options
        return Ranker(f"file:{self.folder}", "movies", **given)

    def damage(self, key: str) -> bytes:
        path = self.folder / key
        held = path.read_bytes()
        path.write_bytes(b"{")
        return held

    def keys(self, suffix: str) -> Sequence[str]:
        return [info.key for info in self.store.list("") if info.key.endswith(suffix)]


@pytest.fixture
def empty_bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path / "models")


@pytest.fixture
def bucket(empty_bucket: Bucket) -> Bucket:
    empty_bucket.set_generation()
    return empty_bucket
