"""What the job asks of Kafka itself: partitions, offsets, records. Its rule of what to read next: `offsets.py`."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from heapq import merge
from typing import Any, Final, Literal, Protocol

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from operators.files import Line
from operators.offsets import OffsetRange, Partition

__all__ = ["Connection", "Fetcher", "KafkaLog", "Password", "RecordsGone", "Start", "TopicsSettings"]

_log = logging.getLogger(__name__)
# Where to begin a partition that nothing is known of: its oldest record, its end, or what the group has committed.
Start = Literal["earliest", "latest", "committed"]
POLL_MS: Final = 500
AGAIN_SECONDS: Final = 1.0
STUCK_SECONDS: Final = 15.0  # longer than a broker takes to start again
ANSWER_MS: Final = 5_000  # of a question that is asked again when it fails; a checkpoint waits for it
FETCH_BYTES: Final = 1 << 20  # of a partition at once
_OPTIONS: Final = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "allow_auto_create_topics": False,
    "isolation_level": "read_committed",
    "max_poll_records": 5_000,
    "max_partition_fetch_bytes": FETCH_BYTES,
    "reconnect_backoff_max_ms": 1_000,
    "metadata_max_age_ms": 30_000,  # a partition that was added is read after so long
    "bootstrap_timeout_ms": ANSWER_MS,
    "metrics_enabled": False,
}


class RecordsGone(RuntimeError):
    """Records that were to be read are deleted: the topic keeps them for too short a time, or was made anew."""


class Password(Protocol):
    """Knows where a password is, and does not hold it: each process that connects reads it there."""

    def read(self) -> str:
        """The password."""
        ...


@dataclass(frozen=True, slots=True)
class Connection:
    """Whom to ask, as the arguments of kafka-python's clients say it; these hold no secret."""

    options: Mapping[str, Any]
    password: Password | None = None

    def arguments(self) -> dict[str, Any]:
        """All arguments, with the password."""
        secret = {} if self.password is None else {"sasl_plain_password": self.password.read()}
        return {**self.options, **secret}

    def consumer(self, group: str | None = None) -> KafkaConsumer:
        """A consumer of nothing yet; KafkaError when no broker answers."""
        return KafkaConsumer(group_id=group, **{**_OPTIONS, **self.arguments()})


@dataclass(frozen=True, slots=True)
class TopicsSettings:
    """What to read: topics, where to begin, and the group that is told how far the job is."""

    connection: Connection
    topics: Sequence[str]
    start: Start = "earliest"
    group: str | None = None


@dataclass(slots=True)
class KafkaLog:
    """`offsets.Log` of some topics. KafkaError when Kafka does not answer: ask again."""

    consumer: KafkaConsumer
    topics: Sequence[str]

    def partitions(self) -> list[Partition]:
        """All partitions that there are now."""
        found = ((topic, self.consumer.partitions_for_topic(topic) or ()) for topic in self.topics)
        return [Partition(topic, number) for topic, numbers in found for number in sorted(numbers)]

    def starts(self, partitions: Sequence[Partition], start: Start) -> dict[Partition, int]:
        """Where to begin each."""
        if start == "latest":
            return dict(self.ends(partitions))
        oldest = _by_partition(self.consumer.beginning_offsets(_tps(partitions), timeout_ms=ANSWER_MS))
        if start == "committed":
            committed = {each: self.consumer.committed(TopicPartition(*each), timeout_ms=ANSWER_MS) for each in oldest}
            return {each: oldest[each] if at is None else max(at, oldest[each]) for each, at in committed.items()}
        return oldest

    def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last record of each; with transactions, after the last that has ended."""
        return _by_partition(self.consumer.end_offsets(_tps(partitions), timeout_ms=ANSWER_MS))

    def at_time(self, partitions: Sequence[Partition], time_ms: int) -> Mapping[Partition, int]:
        """The offset of the first record of each that arrived at the time or later; its end where there is none."""
        asked = dict.fromkeys(_tps(partitions), time_ms)
        found = self.consumer.offsets_for_times(asked, timeout_ms=ANSWER_MS)
        ends = self.ends([Partition(*each) for each, at in found.items() if at is None])
        return {Partition(*each): ends[Partition(*each)] if at is None else at.offset for each, at in found.items()}

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Tell the group, for those who watch how far it is behind; the job itself never reads it while it runs."""
        offsets = {TopicPartition(*each): OffsetAndMetadata(at, "", -1) for each, at in positions.items()}
        self.consumer.commit(offsets, timeout_ms=ANSWER_MS)


class Fetcher:
    """Reads ranges of offsets; what was fetched past the end of one is kept for the next."""

    def __init__(self, connect: Callable[[], KafkaConsumer]) -> None:
        self._connect = connect
        self._consumer = self._connected()
        self._forget()

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close(autocommit=False, timeout_ms=POLL_MS)

    def lines(self, ranges: Sequence[OffsetRange]) -> Iterator[Line]:
        """The records as lines, in order of arrival, those of a partition in its order. Waits for brokers.

        RecordsGone when some are deleted.
        """
        wanted = {TopicPartition(each.topic, each.partition): each for each in ranges}
        while not self._fetched(wanted):
            self._connect_anew()
        taken = [self._take(partition, each.end) for partition, each in wanted.items()]
        return (_line(record) for record in merge(*taken, key=lambda record: record.timestamp))

    def _fetched(self, wanted: Mapping[TopicPartition, OffsetRange]) -> bool:
        """Fetch all that is wanted; False when nothing has come for long."""
        self._assign(wanted)
        for partition, each in wanted.items():
            self._go_to(partition, each.start)
        moved_s, before = time.monotonic(), [-1] * len(wanted)
        while True:
            positions = [self._position(each) for each in wanted]
            missing = [each for each, at in zip(wanted, positions, strict=True) if at < wanted[each].end]
            if not missing:
                return True
            if positions != before:
                moved_s, before = time.monotonic(), positions
            elif time.monotonic() - moved_s > STUCK_SECONDS:
                return False
            self._poll(missing)

    def _connect_anew(self) -> None:
        """A client that has seen its broker die may wait for ever for an answer of the past; a new one does not."""
        _log.warning("no record of Kafka has come for %d s: connecting anew", STUCK_SECONDS)
        with suppress(KafkaError):
            self.close()
        self._consumer = self._connected()
        self._forget()

    def _connected(self) -> KafkaConsumer:
        """A new client, as soon as a broker answers."""
        is_told = False
        while True:
            try:
                return self._connect()
            except KafkaError as error:
                if not is_told:
                    _log.warning("Kafka does not answer, and will be asked until it does: %r", error)
                is_told = True
                time.sleep(AGAIN_SECONDS)

    def _forget(self) -> None:
        self._held: dict[TopicPartition, list[Any]] = {}  # records from `_from` on, up to the consumer's position
        self._from: dict[TopicPartition, int] = {}

    def _position(self, partition: TopicPartition) -> int:
        """The offset up to which records are held or taken; -1 where the client does not know it for now."""
        at = self._consumer.position(partition, timeout_ms=POLL_MS)
        return -1 if at is None else int(at)

    def _assign(self, partitions: Collection[TopicPartition]) -> None:
        new = [each for each in partitions if each not in self._held]
        if new:
            self._consumer.assign([*self._held, *new])
            self._held |= {each: [] for each in new}

    def _go_to(self, partition: TopicPartition, offset: int) -> None:
        """Have what is held begin at an offset; seek where that is not among it."""
        if partition in self._from and self._from[partition] <= offset <= self._position(partition):
            self._take(partition, offset)
        else:
            self._consumer.seek(partition, offset)
            self._held[partition], self._from[partition] = [], offset

    def _poll(self, missing: Collection[TopicPartition]) -> None:
        """Fetch more of these partitions alone."""
        others = [each for each in self._held if each not in missing]
        self._consumer.pause(*others)
        self._consumer.resume(*missing)
        try:
            for partition, records in self._consumer.poll(POLL_MS).items():
                self._held[partition] += records
        except OffsetOutOfRangeError as error:
            gone = ", ".join(f"{each.topic}-{each.partition}" for each in missing)
            message = (
                f"records of {gone} that are yet to be read are deleted ({error}): the topic must keep them longer"
            )
            raise RecordsGone(message) from error

    def _take(self, partition: TopicPartition, end: int) -> list[Any]:
        """What is held before an offset; it is held no more."""
        held = self._held[partition]
        place = bisect_left(held, end, key=lambda record: record.offset)
        self._held[partition], self._from[partition] = held[place:], end
        return held[:place]


def _line(record: Any) -> Line:
    source = f"{record.topic}-{record.partition}"
    return Line(record.offset, record.value or b"", record.timestamp, source)


def _tps(partitions: Sequence[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*each) for each in partitions]


def _by_partition(offsets: Mapping[TopicPartition, int]) -> dict[Partition, int]:
    return {Partition(*each): at for each, at in offsets.items()}
