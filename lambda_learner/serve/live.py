"""A model's published state as a reader holds it: refreshed every so often, the last good one kept."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambda_learner.features import FeatureSpec
from lambda_learner.learn.losses import Kind
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.errors import BucketError, DamagedGeneration, NotPublished
from lambda_learner.publish.generation import Generation, read_generation
from lambda_learner.publish.keys import generation_key, shard_of
from lambda_learner.publish.reader import NOTHING_PUBLISHED, Shard, load_shard
from lambda_learner.publish.store import Store
from lambda_learner.serve.live_base import LiveBase

if TYPE_CHECKING:
    from lambda_learner.retrain.offset_model import OffsetModel

__all__ = ["Live", "LiveModel"]

_log = logging.getLogger(__name__)
_BASE = "base"  # what a warning is about


@dataclass(slots=True)
class _Loaded:
    """A shard and when it was last looked at."""

    shard: Shard
    checked_s: float


@dataclass(slots=True)
class Live:
    """One generation, its shards, each loaded when an entity of it is first asked for, and the base.

    Another thread may change the base at any time: a call looks at it once.
    """

    generation: Generation
    etag: str
    spec: FeatureSpec
    checked_s: float
    base: OffsetModel | None = None
    shards: dict[int, _Loaded] = field(default_factory=dict)


class LiveModel:
    """The newest readable state of one model.

    Thread-safe: while one thread refreshes, others use the last state.
    """

    def __init__(
        self, store: Store, model: str, *, refresh_s: float, clock: Callable[[], float], now_ms: Callable[[], int]
    ) -> None:
        """Name the model; nothing is read yet. `clock` gives monotonic seconds, `now_ms` the wall clock's time."""
        self._store = store
        self._model = model
        self._key = generation_key(model)
        self._refresh_s = refresh_s
        self._clock = clock
        self._lock = threading.RLock()
        self._base = LiveBase(store, model, now_ms=now_ms)
        self._live: Live | None = None
        self._warned: dict[str, str] = {}

    def current(self) -> Live:
        """Give the live generation; NotPublished if there never was one."""
        live = self._live
        if live is not None and not self._is_due(live.checked_s):
            return live
        if not self._lock.acquire(blocking=live is None):
            assert live is not None  # noqa: S101 - else the lock was waited for
            return live
        try:
            return self._refreshed()
        finally:
            self._lock.release()

    def entity(self, live: Live, entity: str) -> EntityCoefficients | None:
        """Give an entity's coefficients in that generation, None if nothing was learned of it."""
        number = shard_of(entity, live.generation.shards)
        loaded = live.shards.get(number)
        if (loaded is None or self._is_due(loaded.checked_s)) and self._lock.acquire(blocking=loaded is None):
            try:
                loaded = self._refreshed_shard(live, number)
            finally:
                self._lock.release()
        assert loaded is not None  # noqa: S101 - else it has just been loaded
        return loaded.shard.entities.get(entity)

    def _is_due(self, checked_s: float) -> bool:
        return self._clock() - checked_s >= self._refresh_s

    def _refreshed(self) -> Live:
        live = self._live
        if live is not None and not self._is_due(live.checked_s):
            return live  # another thread was faster
        try:
            newest = self._read(live)
        except BucketError as error:
            if live is None:
                raise
            self._warn(self._key, error)
            live.checked_s = self._clock()
            newest = live
        else:
            self._warned.pop(self._key, None)
        newest.base = self._refreshed_base(newest.generation.kind, live)
        self._live = newest
        return newest

    def _refreshed_base(self, kind: Kind, live: Live | None) -> OffsetModel | None:
        """The active base; the last good one if that cannot be read."""
        try:
            base = self._base.current(kind)
        except BucketError as error:
            if live is None:
                raise
            self._warn(_BASE, error)
            return live.base if live.base is not None and live.base.entry.kind == kind else None
        self._warned.pop(_BASE, None)
        return base

    def _read(self, live: Live | None) -> Live:
        found = read_generation(self._store, self._model)
        if found is None:
            raise NotPublished(self._model, self._key)
        if live is not None and live.etag == found.etag:
            live.checked_s = self._clock()
            return live
        generation = found.generation
        newest = Live(generation, found.etag, self._spec(generation), self._clock())
        if live is not None and _same_files(live.generation, generation):
            newest.shards = dict(live.shards)
        elif live is not None:  # the old generation serves until all of the new one can be read
            for number in range(generation.shards):
                shard = self._load(generation, number, NOTHING_PUBLISHED)
                newest.shards[number] = _Loaded(shard, self._clock())
        return newest

    def _spec(self, generation: Generation) -> FeatureSpec:
        try:
            return FeatureSpec.parse(generation.features, generation.entity_paths)
        except ValueError as error:
            raise DamagedGeneration(self._key, str(error)) from error

    def _load(self, generation: Generation, number: int, previous: Shard) -> Shard:
        return load_shard(self._store, self._model, generation.generation, number, previous=previous)

    def _refreshed_shard(self, live: Live, number: int) -> _Loaded:
        loaded = live.shards.get(number)
        if loaded is not None and not self._is_due(loaded.checked_s):
            return loaded
        name = f"{live.generation.generation}/{number}"
        previous = NOTHING_PUBLISHED if loaded is None else loaded.shard
        try:
            shard = self._load(live.generation, number, previous)
        except BucketError as error:
            if loaded is None:
                raise
            self._warn(name, error)
            shard = loaded.shard
        else:
            self._warned.pop(name, None)
        loaded = _Loaded(shard, self._clock())
        live.shards[number] = loaded
        return loaded

    def _warn(self, name: str, error: BucketError) -> None:
        """Log once, not at every refresh, that the last good state stays in use."""
        if self._warned.get(name) != str(error):
            self._warned[name] = str(error)
            _log.warning("model %s is still ranked with its last good state: %s", self._model, error)


def _same_files(one: Generation, other: Generation) -> bool:
    return (one.generation, one.shards) == (other.generation, other.shards)
