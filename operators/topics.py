"""Source of Kafka topics: the ranges of offsets to read, as they grow; and the wall clock where producers write none.

Keyed state of `Topics` (one key): `offsets`, of each partition the offset up to which it has been handed on; `again`,
the same of what is read again, and `windows` (`rewind.py`). A range means the same records for ever, so the job reads
them after a failure as it did before; nothing is in the group's offsets but what people look at.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from kafka.errors import KafkaError
from pyflink.common import Types
from pyflink.datastream import DataStream, KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from operators.chunks import KafkaChunk
from operators.kafka_client import KafkaLog, TopicsSettings
from operators.offsets import OffsetRange, Partition, Planner, Until
from operators.quiet import Quiet, WallClock
from operators.rewind import NO_REWIND, Rewind, WindowsRead
from operators.sources import spread

__all__ = ["Topics", "topic_chunks"]

_log = logging.getLogger(__name__)
CHUNKS_A_TICK: Final = 4  # after a pause; more would only queue up ahead of a checkpoint
LOOK_SECONDS: Final = 30.0  # between two looks for new partitions
COMMIT_SECONDS: Final = 5.0
LEAVE_MS: Final = 500


class Topics(KeyedProcessFunction):  # type: ignore[misc]
    """Hands on what is new in the topics each time a tick comes, and the time if it has a clock."""

    def __init__(self, settings: TopicsSettings, clock: WallClock | None = None, rewind: Rewind = NO_REWIND) -> None:
        self._settings, self._clock, self._rewind = settings, clock, rewind

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state; Kafka is asked at the first tick."""
        self._offsets = runtime_context.get_map_state(MapStateDescriptor("offsets", Types.STRING(), Types.LONG()))
        self._again = runtime_context.get_map_state(MapStateDescriptor("again", Types.STRING(), Types.LONG()))
        self._windows = WindowsRead(runtime_context, self._rewind)
        self._quiet = None if self._clock is None else Quiet(self._clock)
        self._client: KafkaLog | None = None
        self._looked_s = self._committed_s = float("-inf")
        self._problem: str | None = None

    def close(self) -> None:
        """Leave Kafka."""
        self._leave()

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        """The chunks that are new, and the time if there have been none for long; nothing while Kafka is away."""
        now_ms = self._clock.now_ms() if self._clock else 0  # before the look: what the look misses came later
        found = 0
        try:
            for chunk in chain(self._chunks_again(), self._new_chunks()):
                found += 1
                yield chunk.to_json()
            self._well()
        except KafkaError as error:
            self._away(error)
            return  # a broker that is away is no sign of a quiet stream
        if self._quiet is not None:
            yield from self._quiet.times(now_ms, is_new=found > 0)

    def _chunks_again(self) -> Iterator[KafkaChunk]:
        """What was handed on for other windows, as far as they may have been open."""
        self._rewind_if_due()
        again = _positions(self._again)
        if not again:
            return
        handed_on = _positions(self._offsets)  # which stay where they are until all is handed on again
        planner = Planner(Until(self._log(), {each: handed_on[each] for each in again}))
        for ranges in _planned(planner, self._again):
            yield KafkaChunk(tuple(ranges), self._rewind.after_ms)
        if not planner.next(_positions(self._again)):
            for partition in again:
                self._again.remove(_name(partition))

    def _rewind_if_due(self) -> None:
        if self._windows.are_known:
            return
        positions = _positions(self._offsets)
        if self._windows.are_others(has_read=bool(positions)):
            starts = Until(self._log(), positions).at_time(list(positions), self._rewind.arrived_ms)
            for partition, at in starts.items():
                self._again.put(_name(partition), at)
        self._windows.are_these()

    def _new_chunks(self) -> Iterator[KafkaChunk]:
        if _positions(self._again):
            return
        log = self._log()
        self._look_for_partitions(log)
        for ranges in _planned(self._planner, self._offsets):
            yield KafkaChunk(tuple(ranges))
        self._commit(log)

    def _log(self) -> KafkaLog:
        if self._client is None:
            self._client = KafkaLog(self._settings.connection.consumer(self._settings.group), self._settings.topics)
            self._planner = Planner(self._client)
        return self._client

    def _leave(self) -> None:
        if self._client is not None:
            with suppress(KafkaError):
                self._client.consumer.close(autocommit=False, timeout_ms=LEAVE_MS)
        self._client = None

    def _look_for_partitions(self, log: KafkaLog) -> None:
        """Begin the partitions that are new; those added while the job runs with their first record."""
        if time.monotonic() - self._looked_s < LOOK_SECONDS:
            return
        known = set(self._offsets.keys())
        new = [each for each in log.partitions() if _name(each) not in known]
        for partition, at in log.starts(new, "earliest" if known else self._settings.start).items():
            self._offsets.put(_name(partition), at)
        if known or new:
            self._looked_s = time.monotonic()

    def _commit(self, log: KafkaLog) -> None:
        if self._settings.group is None or time.monotonic() - self._committed_s < COMMIT_SECONDS:
            return
        self._committed_s = time.monotonic()
        try:
            log.commit(_positions(self._offsets))
        except KafkaError as error:  # the job does not need it
            _log.warning("the group could not be told how far the job is: %r", error)

    def _away(self, error: KafkaError) -> None:
        """Log when Kafka begins to fail, not at each tick."""
        self._leave()  # a client that has seen its broker die is not to be trusted
        if self._problem is None:
            _log.warning("Kafka cannot be read, and will be asked again: %r", error)
        self._problem = repr(error)

    def _well(self) -> None:
        if self._problem is not None:
            _log.warning("Kafka can be read again")
        self._problem = None


def topic_chunks(
    ticks: DataStream, settings: TopicsSettings, rewind: Rewind, *, idle_ms: int | None = None
) -> DataStream:
    """The chunks of topics as they grow, for ever; with `idle_ms` the wall clock too (`WallClock`)."""
    env = ticks.get_execution_environment()
    clock = None if idle_ms is None else WallClock(idle_ms, env.get_parallelism())
    function = Topics(settings, clock, rewind)
    by_source = ticks.key_by(lambda tick: 0, key_type=Types.INT())
    topics = by_source.process(function, Types.STRING()).uid("topics").name("topics").set_parallelism(1)
    return spread(topics, env)


def _planned(planner: Planner, positions: Any) -> Iterator[list[OffsetRange]]:
    """What is next to hand on after the positions in a state, which knows of it before it is."""
    for _ in range(CHUNKS_A_TICK):
        ranges = planner.next(_positions(positions))
        if not ranges:
            return
        for each in ranges:
            positions.put(_name(Partition(each.topic, each.partition)), each.end)
        yield ranges


def _positions(state: Any) -> dict[Partition, int]:
    return {_partition(name): at for name, at in state.items()}


def _name(partition: Partition) -> str:
    return f"{partition.topic}:{partition.number}"


def _partition(name: str) -> Partition:
    topic, _, number = name.rpartition(":")
    return Partition(topic, int(number))
