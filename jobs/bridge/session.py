"""Copies from the positions on, until Kafka fails; then another session begins, from what is committed.

Shards are read in groups, side by side; what a group gives is one transaction, with the positions that it leads to.
So at most GROUP answers of Kinesis, of 10 MiB at most, are held at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from jobs.bridge.errors import KinesisAway
from jobs.bridge.messages import Keys, Message, record_message
from jobs.bridge.positions import Position
from jobs.bridge.progress import Progress
from jobs.bridge.shard_reader import MAX_PAUSE_MS, MIN_RECORDS, PAUSE_MS, ShardReader
from jobs.bridge.shards import Shard, begin, forgettable, gone, lost, may_be_read, too_old
from jobs.bridge.stream import MAX_RECORDS, Record, Stream
from jobs.bridge.trouble import Trouble

__all__ = ["Around", "Copied", "Session", "Writer"]

GROUP: Final = 8
LOOK_MS: Final = 30_000  # between two looks for shards; when one ends, its children are looked for at once
WAIT_MS: Final = 1_000  # at most between two looks at what is due
KINESIS: Final = "Kinesis"
KAFKA: Final = "Kafka"
# Data of the Kinesis Producer Library may be many records in one, behind these bytes.
AGGREGATED: Final = b"\xf3\x89\x9a\xc2"


class Writer(Protocol):
    """What is used of `Transactions`."""

    def write(self, messages: Sequence[Message]) -> None:
        """Write all or none."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """What is copied where."""

    stream: Stream
    keys: Keys
    topic: str
    positions_topic: str
    start: Literal["trim_horizon", "latest"] = "trim_horizon"
    skip_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What a bridge tells, and its clock."""

    progress: Progress
    trouble: Trouble
    clock_ms: Callable[[], int]


class Session:
    """One session; `positions` is what is committed as it begins.

    One `after_failure` begins with small transactions: it may have been that large ones did not come through in time.
    """

    def __init__(
        self,
        copied: Copied,
        writer: Writer,
        positions: dict[str, Position],
        around: Around,
        *,
        after_failure: bool = False,
    ) -> None:
        self._copied, self._writer, self._positions = copied, writer, dict(positions)
        self._progress, self._trouble, self._clock_ms = around.progress, around.trouble, around.clock_ms
        self._shards: dict[str, Shard] = {}
        self._readers: dict[str, ShardReader] = {}
        self._limit = MIN_RECORDS if after_failure else MAX_RECORDS
        self._retention_ms = 0
        self._look_ms, self._look_pause_ms = 0, PAUSE_MS
        self._problem: str | None = None  # of the last look for shards

    def run(self, stop: threading.Event) -> None:
        """Copy until it is told to stop. KafkaError: begin another session. BridgeError: end."""
        with ThreadPoolExecutor(GROUP, "bridge") as pool:
            while not stop.is_set():
                self.step(pool)
                stop.wait(self._wait_ms() / 1000)

    def step(self, pool: ThreadPoolExecutor) -> None:
        """Look for shards when it is time, and copy what the shards that are due have."""
        now_ms = self._clock_ms()
        if not 0 < self._look_ms - now_ms <= LOOK_MS:  # a clock may be set back
            self._look(now_ms)
        due = sorted((each for each in self._readers.values() if each.is_due(now_ms)), key=lambda each: each.due_ms)
        group = due[:GROUP]
        pages = pool.map(lambda each: each.read(self._copied.stream, now_ms, self._retention_ms), group)
        self._write(group, [record for page in pages for record in page])
        self._tell_problems()
        self._progress.look(self._readers.values(), now_ms)

    def _look(self, now_ms: int) -> None:
        """Find the shards that may be read now; while the service is away, go on with those that are known."""
        try:
            self._shards = self._copied.stream.shards()
            self._retention_ms = self._copied.stream.retention_ms()
        except KinesisAway as error:
            self._problem = str(error)
            self._look_ms = now_ms + self._look_pause_ms
            self._look_pause_ms = min(2 * self._look_pause_ms, MAX_PAUSE_MS)
            return
        self._look_ms, self._look_pause_ms, self._problem = now_ms + LOOK_MS, PAUSE_MS, None
        self._first_run(now_ms)
        self._forget(self._lost())
        self._forget(forgettable(self._shards, self._positions, now_ms, self._retention_ms))
        self._begin_shards(now_ms)

    def _lost(self) -> Collection[str]:
        """The shards whose positions are of no use, if these may be skipped; RecordsGone if not."""
        found = lost(self._shards, self._positions)
        for name, what in found.items():
            self._skip(name, what)
        return found

    def _skip(self, name: str, what: str) -> None:
        if not self._copied.skip_deleted:
            raise gone(what)
        self._trouble.note(f"skipped {name}", f"{what}; going on without them")

    def _first_run(self, now_ms: int) -> None:
        """With `start: latest`, begin all shards now, and keep that, so that a second run misses nothing either."""
        if self._positions or self._copied.start == "trim_horizon":
            return
        first = {each.id: Position(each.first, since_ms=now_ms, read_until_ms=now_ms) for each in self._shards.values()}
        self._writer.write([self._position_message(name, position) for name, position in first.items()])
        self._positions = first

    def _forget(self, names: Collection[str]) -> None:
        if names:
            self._writer.write([self._position_message(name, None) for name in names])
        for name in names:
            del self._positions[name]
            self._readers.pop(name, None)

    def _begin_shards(self, now_ms: int) -> None:
        for shard in may_be_read(self._shards, self._positions):
            if shard.id in self._readers:
                continue
            saved = self._positions.get(shard.id)
            position = saved or begin(shard, self._positions)
            if what := too_old(shard.id, position, now_ms, self._retention_ms):
                self._skip(shard.id, what)
                position = Position(shard.first)
            self._readers[shard.id] = ShardReader(shard, position, saved, limit=self._limit)

    def _write(self, group: Sequence[ShardReader], records: Sequence[Record]) -> None:
        """One transaction: records, and the positions that they lead to."""
        changed = [each for each in group if each.is_to_be_saved()]
        if not changed:
            return
        messages = [record_message(self._copied.topic, record) for record in records]
        self._writer.write([*messages, *(self._position_message(each.shard.id, each.position) for each in changed)])
        self._trouble.well(KAFKA)
        self._progress.copied(records)
        for each in changed:
            each.saved = self._positions[each.shard.id] = each.position
            if each.position.finished:
                del self._readers[each.shard.id]
                self._look_ms = 0
        self._look_for_aggregated(records)

    def _look_for_aggregated(self, records: Sequence[Record]) -> None:
        found = next((record for record in records if record.data.startswith(AGGREGATED)), None)
        if found is not None:
            told = f"record {found.number} of shard {found.shard} is aggregated by the Kinesis Producer Library"
            self._trouble.note("aggregated", f"{told}: it is copied as it is, and the job cannot read it")

    def _position_message(self, name: str, position: Position | None) -> Message:
        value = position.to_json() if position else None
        topic, key = self._copied.positions_topic, self._copied.keys.shard(name)
        return Message(topic, key.encode(), value, what=f"the position of shard {name}")

    def _tell_problems(self) -> None:
        """Tell the first problem of Kinesis, and when there is none any more."""
        problems = [self._problem, *(each.problem for each in self._readers.values())]
        problem = next((each for each in problems if each), None)
        if problem is not None:
            self._trouble.away(KINESIS, problem)
        else:
            self._trouble.well(KINESIS)

    def _wait_ms(self) -> int:
        due_ms = min([self._look_ms, *(each.due_ms for each in self._readers.values())])
        return min(max(due_ms - self._clock_ms(), 0), WAIT_MS)
