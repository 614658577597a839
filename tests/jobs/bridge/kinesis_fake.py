"""A Kinesis that is split, merged, throttled and away as a test says; and a Kafka that takes all or nothing."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, ProducerFencedError

from jobs.bridge.bridge import Bridge
from jobs.bridge.messages import Keys, Message
from jobs.bridge.positions import Position
from jobs.bridge.progress import Progress
from jobs.bridge.session import Around, Copied
from jobs.bridge.stream import Stream
from jobs.bridge.trouble import Trouble

T0_MS = 1_795_406_033_000
HOUR_MS = 3_600_000
AWAY = EndpointConnectionError(endpoint_url="http://kinesis")


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetRecords")


@dataclass
class FakeShard:
    """Records of one shard: number, key, data, time."""

    first: int
    parents: tuple[str, ...] = ()
    records: list[tuple[int, str, bytes, int]] = field(default_factory=list)
    is_closed: bool = False


@dataclass
class FakeKinesis:
    """Its shards by id; `errors` are raised by get_records of a shard, the first one first."""

    now_ms: int = T0_MS
    shards: dict[str, FakeShard] = field(default_factory=dict)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    list_errors: list[Exception] = field(default_factory=list)
    page_records: int = 3
    number: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)  # shard and time of each get_records
    most: int = 10_000  # records; what is more does not come in time
    limits: list[int] = field(default_factory=list)  # that were asked for
    iterators: list[str] = field(default_factory=list)  # the kinds that were asked for

    def make(self, *parents: str) -> str:
        """A new shard; its parents take no more records."""
        name = f"shard-{len(self.shards)}"
        self.number += 1
        self.shards[name] = FakeShard(self.number, parents)
        for parent in parents:
            self.shards[parent].is_closed = True
        return name

    def put(self, shard: str, *values: str, key: str = "key") -> None:
        for value in values:
            self.number += 1
            self.shards[shard].records.append((self.number, key, value.encode(), self.now_ms))

    def list_shards(self, **arguments: Any) -> dict[str, Any]:
        """One shard a page."""
        if self.list_errors:
            raise self.list_errors.pop(0)
        page = int(arguments.get("NextToken", "0"))
        assert arguments == ({"NextToken": str(page)} if page else {"StreamName": "events"})
        more = {"NextToken": str(page + 1)} if page + 1 < len(self.shards) else {}
        return {"Shards": [_listed(*each) for each in list(self.shards.items())[page : page + 1]], **more}

    def describe_stream_summary(self, **_: Any) -> dict[str, Any]:
        return {"StreamDescriptionSummary": {"RetentionPeriodHours": 24}}

    def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        kind, shard = arguments["ShardIteratorType"], self.shards[arguments["ShardId"]]
        self.iterators.append(kind)
        after = int(arguments.get("StartingSequenceNumber", "0"))
        since = arguments.get("Timestamp", datetime.datetime.min.replace(tzinfo=datetime.UTC)).timestamp()
        skipped = [each for each in shard.records if each[0] <= after or each[3] < since * 1000]
        return {"ShardIterator": f"{arguments['ShardId']}:{len(skipped)}"}

    def get_records(self, **arguments: Any) -> dict[str, Any]:
        name, _, place = arguments["ShardIterator"].partition(":")
        self.asked.append((name, self.now_ms))
        self.limits.append(arguments["Limit"])
        if arguments["Limit"] > self.most:
            raise ReadTimeoutError(endpoint_url="http://kinesis")
        if self.errors.get(name):
            raise self.errors[name].pop(0)
        shard, start = self.shards[name], int(place)
        end = min(start + self.page_records, len(shard.records))
        is_over = shard.is_closed and end == len(shard.records)
        left = shard.records[end:]
        return {
            "Records": [_record(*each) for each in shard.records[start:end]],
            "NextShardIterator": None if is_over else f"{name}:{end}",
            "MillisBehindLatest": self.now_ms - left[0][3] if left else 0,
        }


def _listed(name: str, shard: FakeShard) -> dict[str, Any]:
    parents = dict(zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False))
    return {"ShardId": name, "SequenceNumberRange": {"StartingSequenceNumber": str(shard.first)}, **parents}


def _record(number: int, key: str, data: bytes, time_ms: int) -> dict[str, Any]:
    time = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    return {"SequenceNumber": str(number), "PartitionKey": key, "Data": data, "ApproximateArrivalTimestamp": time}


@dataclass
class FakeKafka:
    """Its committed messages; `failures` says of each write what comes of it: None, or an error, and if it was done."""

    committed: list[Message] = field(default_factory=list)
    transactions: list[list[Message]] = field(default_factory=list)
    failures: list[tuple[Exception, bool] | None] = field(default_factory=list)
    away: int = 0  # so many more questions are not answered
    epoch: int = 0
    is_open: bool = False  # the transaction of a bridge that was killed, until the next has taken over

    def check(self) -> None:
        self._answer()

    def read(self, *, waits: bool) -> dict[str, bytes]:
        """While a killed bridge has a transaction open, who waits is not answered."""
        self._answer()
        if waits and self.is_open:
            raise KafkaTimeoutError
        found: dict[str, bytes] = {}
        for each in self.committed:
            if each.topic != "positions":
                continue
            if each.value is None:
                found.pop(each.key.decode(), None)
            else:
                found[each.key.decode()] = each.value
        return found

    def take_over(self) -> FakeWriter:
        self._answer()
        self.epoch, self.is_open = self.epoch + 1, False
        return FakeWriter(self, self.epoch)

    def values(self) -> list[str]:
        """What was copied."""
        return [(each.value or b"").decode() for each in self.committed if each.topic == "copies"]

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise KafkaConnectionError


@dataclass
class FakeWriter:
    """Writes until another one has taken over."""

    kafka: FakeKafka
    epoch: int

    def write(self, messages: Sequence[Message]) -> None:
        if self.epoch != self.kafka.epoch:
            raise ProducerFencedError
        failure = self.kafka.failures.pop(0) if self.kafka.failures else None
        if failure is None or failure[1]:
            self.kafka.committed += messages
            self.kafka.transactions.append(list(messages))
        if failure is not None:
            raise failure[0]

    def close(self) -> None:
        pass


@dataclass
class Stopping:
    """An event that is set after so many waits; a wait passes the time of the stream."""

    kinesis: FakeKinesis
    waits: int = 60
    between: Callable[[int], None] = lambda _: None

    def is_set(self) -> bool:
        return self.waits <= 0

    def wait(self, seconds: float) -> None:
        self.waits -= 1
        self.kinesis.now_ms += max(int(seconds * 1000), 1)
        self.between(self.waits)


@dataclass
class World:
    """A stream, a Kafka, and what the operator is told."""

    kinesis: FakeKinesis = field(default_factory=FakeKinesis)
    kafka: FakeKafka = field(default_factory=FakeKafka)
    told: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def bridge(self, transactional_id: str = "bridge", **changes: Any) -> Bridge:
        progress = Progress(self.lines.append, self.kinesis.now_ms)
        around = Around(progress, Trouble(self.told.append), lambda: self.kinesis.now_ms)
        stream = Stream("events", self.kinesis)
        copied = Copied(stream, Keys("eu", "events"), "copies", "positions", **changes)
        return Bridge(copied, self.kafka, transactional_id, around)

    def run(self, waits: int = 60, between: Callable[[int], None] = lambda _: None, **changes: Any) -> None:
        """A run of a bridge of its own."""
        self.bridge(**changes).run(Stopping(self.kinesis, waits, between))  # type: ignore[arg-type]

    def positions(self) -> dict[str, Position]:
        return Keys("eu", "events").positions(self.kafka.read(waits=True))

    def save(self, shard: str, position: Position) -> None:
        self.kafka.committed.append(
            Message("positions", Keys("eu", "events").shard(shard).encode(), position.to_json())
        )
