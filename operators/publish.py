"""Publish stage: the entities that changed in one publish interval become one delta of their shard.

State: none. The file's name and bytes are functions of the interval, so a replay after a failure writes the same again.
Side output: the same updates as records of a topic, where there is one; of an interval that is committed already too,
because what was sent of it after the checkpoint was taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from pyflink.common import Types
from pyflink.datastream import OutputTag, ProcessFunction, RuntimeContext

from lambda_learner.learn.state_text import decode_state
from lambda_learner.policy import ModelPolicy, Policies
from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone, Update
from lambda_learner.publish.generation import publish_generation
from lambda_learner.publish.shard_writer import ShardWriter
from lambda_learner.publish.state import from_state
from lambda_learner.publish.store import open_store
from lambda_learner.publish.topic_record import topic_record
from operators.clock import wall_clock_ms
from operators.learn import DROPPED, ERASED
from operators.rows import FIELD, ROW

COEFFICIENTS = OutputTag("coefficients", Types.STRING())
RECORDS_AT_ONCE = 1_000  # in one text
DELTA_TYPE = Types.ROW([Types.STRING(), Types.LONG(), Types.STRING()])  # model F shard, interval's end in ms, updates


@dataclass(frozen=True, slots=True)
class PublishSettings:
    """Where coefficients are published, each `interval_ms` of event time; `once`: at the end of the input only.

    `max_record_bytes`: of a record of the topic that they go to as well; None: to none.
    """

    bucket: str
    epoch: int
    interval_ms: int
    once: bool
    gc_grace_ms: int
    pinned: frozenset[str] = frozenset()
    max_record_bytes: int | None = None


class Publish(ProcessFunction):  # type: ignore[misc]
    """Writes a delta of one shard for each element and emits a JSON line about it; and the updates for a topic."""

    def __init__(self, settings: PublishSettings, policies: Policies) -> None:
        self._settings, self._policies = settings, policies

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open the bucket."""
        self._store = open_store(self._settings.bucket)
        self._writers: dict[tuple[str, int], ShardWriter] = {}
        self._announced: set[str] = set()

    def process_element(self, value: Any, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Write the newest states of an interval."""
        key, end_ms, texts = value
        model, _, shard = key.partition(FIELD)
        policy = self._policies.of(model)
        assert policy is not None, "parse rejects models without a policy"
        pending = pending_of(texts, policy.generation)
        if not pending:
            return
        close_ms = max(p.close_ms for p in pending) if self._settings.once else end_ms
        self._announce(model, policy)
        writer = self._writer(model, policy.generation, int(shard))
        published = writer.publish(close_ms, [p.update for p in pending], erases=any(p.erases for p in pending))
        writer.collect_garbage(wall_clock_ms(), self._settings.gc_grace_ms, self._settings.pinned)
        for text in self._records(model, policy.generation, pending):
            yield COEFFICIENTS, text
        if published is not None:
            yield published_line(model, int(shard), close_ms, pending, published.bytes_written)

    def _records(self, model: str, generation: str, pending: Sequence[Pending]) -> Iterator[str]:
        max_bytes = self._settings.max_record_bytes
        if max_bytes is not None:
            for start in range(0, len(pending), RECORDS_AT_ONCE):
                updates = [each.update for each in pending[start : start + RECORDS_AT_ONCE]]
                records = [topic_record(model, generation, update, max_bytes=max_bytes) for update in updates]
                yield ROW.join(f"{record.key}{FIELD}{record.value or ''}" for record in records)

    def _announce(self, model: str, policy: ModelPolicy) -> None:
        """Make the generation live before its first delta; `once`, that is left to the end of the run."""
        if not self._settings.once and model not in self._announced:
            publish_generation(self._store, model, policy.as_generation(), epoch=self._settings.epoch)
            self._announced.add(model)

    def _writer(self, model: str, generation: str, shard: int) -> ShardWriter:
        key = model, shard
        if key not in self._writers:
            self._writers[key] = ShardWriter(self._store, model, generation, shard, self._settings.epoch)
        return self._writers[key]


class Pending(NamedTuple):
    """An update that waits for its publish: its window's close and when it came, both in ms.

    `erases`: of an entity that was forgotten.
    """

    update: Update
    close_ms: int
    came_ms: int
    erases: bool = False


def pending_of(texts: str, generation: str) -> list[Pending]:
    """The updates that the delta stage has gathered (entity F what `learn.update_row` says of its state), by entity.

    Of an entity that was forgotten and has learned anew in one interval there are two, the newer one last. Without
    those of another generation: such a state was learned before a restart with settings that start a new generation,
    and is not of its kind.
    """
    found = (_pending(*text.split(FIELD), generation=generation) for text in texts.split(ROW))
    return sorted((p for p in found if p is not None), key=_order)


def _pending(entity: str, close_text: str, came_ms: str, state_text: str, *, generation: str) -> Pending | None:
    close_ms = int(close_text)
    if entity.startswith(ERASED):
        return Pending(Tombstone(entity.removeprefix(ERASED), close_ms), close_ms, int(came_ms), erases=True)
    if state_text == DROPPED:
        return Pending(Tombstone(entity, close_ms), close_ms, int(came_ms))
    state = decode_state(state_text)
    if state.generation != generation:
        return None
    return Pending(from_state(entity, state), close_ms, int(came_ms))


def _order(pending: Pending) -> tuple[str, int, bool]:
    return pending.update.entity, pending.close_ms, isinstance(pending.update, EntityCoefficients)


def published_line(model: str, shard: int, close_ms: int, pending: Sequence[Pending], size: int) -> str:
    """What was published and how fresh it was, as one JSON line; `closes` counts entities by window."""
    now_ms = wall_clock_ms()
    line = {"model": model, "shard": shard, "close_ms": close_ms, "entities": len(pending), "bytes": size}
    line |= {"closes": sorted(Counter(p.close_ms for p in pending).items())}
    line |= {"newest_close_ms": max(p.close_ms for p in pending)}
    line |= {"waited_ms": max(now_ms - min(p.came_ms for p in pending), 0), "published_at_ms": now_ms}
    return orjson.dumps(line).decode()
