"""Publish stage: the entities that changed in one publish interval become one delta of their shard.

Keyed state (by model F shard): `pending`, the newest state text of each changed entity by close of its publish
interval. Timers: event time, the end of each interval; in batch mode one at the end of the input. The file's name and
bytes are functions of the interval, so a replay after a failure writes the same again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from lambda_learner.learn.state_text import decode_state
from lambda_learner.policy import Policies
from lambda_learner.publish.coefficients import Tombstone, Update
from lambda_learner.publish.generation import publish_generation
from lambda_learner.publish.shard_writer import ShardWriter
from lambda_learner.publish.state import from_state
from lambda_learner.publish.store import open_store
from operators.learn import DROPPED
from operators.rows import FIELD

AFTER_ALL_INPUT_MS = 2**62  # a timer that only the end of a bounded input fires


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """Where and how often coefficients are published; `once` publishes at the end of a bounded input only."""

    bucket: str
    epoch: int
    interval_ms: int
    once: bool
    gc_grace_ms: int
    pinned: frozenset[str] = frozenset()


class Publish(KeyedProcessFunction):  # type: ignore[misc]
    """Writes the deltas of one shard and emits a JSON line about each."""

    def __init__(self, settings: PublishSettings, policies: Policies) -> None:
        self._settings, self._policies = settings, policies

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state and open the bucket."""
        self._pending = runtime_context.get_map_state(MapStateDescriptor("pending", Types.STRING(), Types.STRING()))
        self._store = open_store(self._settings.bucket)
        self._writers: dict[tuple[str, int], ShardWriter] = {}
        self._announced: set[str] = set()
        self._timed: set[tuple[str, int]] = set()  # timers that are registered, by key

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Keep the entity's newest state until its publish interval ends."""
        entity, close_ms, state = value
        end_ms = self._end_of_interval(close_ms)
        key = f"{end_ms}{FIELD}{entity}"
        # In batch mode elements of one time, such as a tombstone and the update after it, have no order.
        if not self._settings.once or close_ms >= self._pending_close_ms(key):
            self._pending.put(key, f"{close_ms}{FIELD}{_now_ms()}{FIELD}{state}")
        if (ctx.get_current_key(), end_ms) not in self._timed:  # 20 µs each; after a restart once more, to no effect
            ctx.timer_service().register_event_time_timer(end_ms)
            self._timed.add((ctx.get_current_key(), end_ms))
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Write the delta of the interval that ends now."""
        model, _, shard = ctx.get_current_key().partition(FIELD)
        self._timed.discard((ctx.get_current_key(), timestamp))
        policy = self._policies.of(model)
        assert policy is not None, "parse rejects models without a policy"
        pending = self._take(timestamp, policy.generation)
        if not pending:
            return
        close_ms = max(p.close_ms for p in pending) if self._settings.once else timestamp
        if not self._settings.once and model not in self._announced:
            publish_generation(self._store, model, policy.as_generation(), epoch=self._settings.epoch)
            self._announced.add(model)
        writer = self._writer(model, policy.generation, int(shard))
        published = writer.publish(close_ms, [p.update for p in pending])
        writer.collect_garbage(_now_ms(), self._settings.gc_grace_ms, self._settings.pinned)
        if published is not None:
            yield published_line(model, int(shard), close_ms, pending, published.bytes_written)

    def _writer(self, model: str, generation: str, shard: int) -> ShardWriter:
        key = model, shard
        if key not in self._writers:
            self._writers[key] = ShardWriter(self._store, model, generation, shard, self._settings.epoch)
        return self._writers[key]

    def _end_of_interval(self, close_ms: int) -> int:
        if self._settings.once:
            return AFTER_ALL_INPUT_MS
        return -(-close_ms // self._settings.interval_ms) * self._settings.interval_ms

    def _pending_close_ms(self, key: str) -> int:
        held = self._pending.get(key)
        return int(held.partition(FIELD)[0]) if held else 0

    def _take(self, end_ms: int, generation: str) -> list[Pending]:
        prefix = f"{end_ms}{FIELD}"
        taken = [(key, text) for key, text in self._pending.items() if key.startswith(prefix)]
        for key, _ in taken:
            self._pending.remove(key)
        found = (pending_of(key[len(prefix) :], text, generation) for key, text in taken)
        return sorted((p for p in found if p is not None), key=lambda p: p.update.entity)


class Pending(NamedTuple):
    """An update that waits for its publish: its window's close and when it came, both in ms."""

    update: Update
    close_ms: int
    came_ms: int


def pending_of(entity: str, text: str, generation: str) -> Pending | None:
    """Read back what `process_element` keeps of an entity; None for a state of another generation.

    Such a state was learned before a restart with settings that start a new generation, and is not of its kind.
    """
    close_ms, came_ms, state_text = text.split(FIELD)
    if state_text == DROPPED:
        return Pending(Tombstone(entity, int(close_ms)), int(close_ms), int(came_ms))
    state = decode_state(state_text)
    if state.generation != generation:
        return None
    return Pending(from_state(entity, state), int(close_ms), int(came_ms))


def published_line(model: str, shard: int, close_ms: int, pending: Sequence[Pending], size: int) -> str:
    """What was published and how fresh it was, as one JSON line; `closes` counts entities by window."""
    now_ms = _now_ms()
    line = {"model": model, "shard": shard, "close_ms": close_ms, "entities": len(pending), "bytes": size}
    line |= {"closes": sorted(Counter(p.close_ms for p in pending).items())}
    line |= {"newest_close_ms": max(p.close_ms for p in pending)}
    line |= {"waited_ms": max(now_ms - min(p.came_ms for p in pending), 0), "published_at_ms": now_ms}
    return orjson.dumps(line).decode()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
