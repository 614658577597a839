"""Publish stage: the entities that changed in one publish interval become one delta of their shard.

Keyed state (by model F shard): `pending`, the newest state text of each changed entity by close of its publish
interval. Timers: event time, the end of each interval; in batch mode one at the end of the input. The file's name and
bytes are functions of the interval, so a replay after a failure writes the same again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from lambda_learner.policy import Policies
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.shard_writer import ShardWriter
from lambda_learner.publish.state import from_state
from lambda_learner.publish.store import open_store
from operators.learn import decode_state
from operators.rows import FIELD

END_OF_INPUT_MS = 2**62  # a timer that only the end of a bounded input fires


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

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Keep the entity's newest state until its publish interval ends."""
        _, entity, close_ms, state = value
        end_ms = self._end_of_interval(close_ms)
        self._pending.put(f"{end_ms}{FIELD}{entity}", f"{close_ms}{FIELD}{state}")
        ctx.timer_service().register_event_time_timer(end_ms)
        yield from ()

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Any]:
        """Write the delta of the interval that ends now."""
        model, _, shard = ctx.get_current_key().partition(FIELD)
        updates, newest_ms = self._take(timestamp)
        close_ms = newest_ms if self._settings.once else timestamp
        policy = self._policies.of(model)
        assert policy is not None, "parse rejects models without a policy"
        writer = ShardWriter(self._store, model, policy.generation, int(shard), self._settings.epoch)
        published = writer.publish(close_ms, updates)
        writer.collect_garbage(time.time_ns() // 1_000_000, self._settings.gc_grace_ms, self._settings.pinned)
        if published is not None:
            line = {"model": model, "shard": int(shard), "close_ms": close_ms, "entities": len(updates)}
            line |= {"newest_close_ms": newest_ms, "published_at_ms": time.time_ns() // 1_000_000}
            yield orjson.dumps(line).decode()

    def _end_of_interval(self, close_ms: int) -> int:
        if self._settings.once:
            return END_OF_INPUT_MS
        return -(-close_ms // self._settings.interval_ms) * self._settings.interval_ms

    def _take(self, end_ms: int) -> tuple[list[EntityCoefficients], int]:
        prefix = f"{end_ms}{FIELD}"
        taken = [(key, text.partition(FIELD)) for key, text in self._pending.items() if key.startswith(prefix)]
        for key, _ in taken:
            self._pending.remove(key)
        entities = [from_state(key[len(prefix) :], decode_state(state)) for key, (_, _, state) in taken]
        return entities, max((int(close) for _, (close, _, _) in taken), default=0)
