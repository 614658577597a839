"""The bridge between real services: a stream that is split and merged while the bridge is killed again and again."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaConsumer, TopicPartition

from deploy.services.kafka import Broker
from tests.harness.job import Running, start
from tests.harness.stream import REGION, TestStream, make_stream
from tests.harness.topic import TestTopic, make_topic

pytestmark = pytest.mark.services

KEYS = 40
KILLS = 3
PATIENCE_SECONDS = 60.0
Copy = tuple[str, int, bytes, int]  # key, number, bytes, time of arrival


class Reader:
    """A reader of what is committed, which keeps all that it has seen, each partition in its order."""

    def __init__(self, topic: TestTopic) -> None:
        options = {"bootstrap_servers": topic.servers, "auto_offset_reset": "earliest", "enable_auto_commit": False}
        self._committed = KafkaConsumer(**options, isolation_level="read_committed")
        self._all = KafkaConsumer(**options)
        self._partitions = [TopicPartition(topic.name, each) for each in self._all.partitions_for_topic(topic.name)]
        self._committed.assign(self._partitions)
        self.copies: list[Copy] = []

    def numbers(self) -> list[int]:
        """Sorted, of what has come by now."""
        for records in self._committed.poll(timeout_ms=200).values():
            self.copies += [_copy(record) for record in records]
        return sorted(number for _, number, _, _ in self.copies)

    def has_more_than(self, number: int) -> bool:
        return len(self.numbers()) > number

    def read_to_the_end(self) -> list[int]:
        """The numbers of all records; waits until no transaction is open."""
        ends = self._all.end_offsets(self._partitions)
        until(lambda: self.numbers() and all(self._committed.position(each) >= end for each, end in ends.items()))
        return self.numbers()

    def in_order(self) -> dict[str, list[int]]:
        """The numbers of each key as the topic has them."""
        found: dict[str, list[int]] = defaultdict(list)
        for key, number, _, _ in self.copies:
            found[key].append(number)
        return found

    def close(self) -> None:
        self._committed.close()
        self._all.close()


def _copy(record: Any) -> Copy:
    return record.key.decode(), json.loads(record.value)["number"], record.value, record.timestamp


@dataclass
class Feed:
    """Puts numbered records, the numbers of a key one after another, from a thread."""

    stream: TestStream
    sent: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self.ended.set()
            thread.join()

    def _run(self) -> None:
        client = self.stream.client
        while not self.ended.wait(0.05):
            self.put(10, client)

    def put(self, number: int, client: Any = None) -> None:
        """Each in a call of its own: the records of one call may be put in any order, or in part."""
        client = client or self.stream.client
        for _ in range(number):
            total = sum(map(len, self.sent.values()))
            key = f"decision-{total % KEYS}"
            data = json.dumps({"number": total}).encode()
            client.put_record(StreamName=self.stream.name, PartitionKey=key, Data=data)
            self.sent[key].append(total)

    @property
    def numbers(self) -> list[int]:
        return sorted(number for numbers in self.sent.values() for number in numbers)


@dataclass
class Bridged:
    """A stream, a topic, and the command between them."""

    folder: Path
    stream: TestStream
    topic: TestTopic
    positions: str = field(default_factory=lambda: f"positions-{uuid.uuid4()}")

    def __post_init__(self) -> None:
        source = {"stream": self.stream.name, "region": REGION, "endpoint": self.stream.endpoint}
        sink = {"connection": {"bootstrap_servers": self.topic.servers}, "topic": self.topic.name}
        section = {"source": source, "sink": sink, "positions_topic": self.positions}
        self.config.write_text(yaml.safe_dump({"bridge": section}))

    @property
    def config(self) -> Path:
        return self.folder / "bridge.yaml"

    def begin(self) -> Running:
        return start(["bridge", "--config", str(self.config)], self.folder)

    def reader(self) -> closing[Reader]:
        return closing(Reader(self.topic))


@pytest.fixture
def bridged(kinesis: str, kafka: str, aws: None, tmp_path: Path) -> Bridged:
    return Bridged(tmp_path, make_stream(kinesis, 3), make_topic(kafka, 4, f"bridged-{uuid.uuid4()}"))


def split_and_merge(stream: TestStream) -> None:
    first, second, third = sorted(stream.shards(), key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
    begin, end = (int(first["HashKeyRange"][f"{name}HashKey"]) for name in ("Starting", "Ending"))
    stream.client.split_shard(
        StreamName=stream.name, ShardToSplit=first["ShardId"], NewStartingHashKey=str((begin + end) // 2)
    )
    stream.client.get_waiter("stream_exists").wait(StreamName=stream.name, WaiterConfig={"Delay": 1})
    stream.client.merge_shards(
        StreamName=stream.name, ShardToMerge=second["ShardId"], AdjacentShardToMerge=third["ShardId"]
    )
    stream.client.get_waiter("stream_exists").wait(StreamName=stream.name, WaiterConfig={"Delay": 1})


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_record_is_there_once_and_in_order_though_the_bridge_is_killed_while_shards_change(
    bridged: Bridged,
) -> None:
    feed, dice = Feed(bridged.stream), random.Random(7)
    feed.put(60)
    with bridged.reader() as reader:
        with feed.running():
            for kill in range(KILLS):
                with bridged.begin() as running:
                    running.until(partial(reader.has_more_than, len(reader.numbers())), "a copied record")
                    if kill == 0:
                        split_and_merge(bridged.stream)
                    time.sleep(dice.uniform(0, 1.0))
                    running.kill()
        with bridged.begin() as running:
            running.until(lambda: len(reader.numbers()) >= len(feed.numbers), "all records")
            running.interrupt(signal.SIGTERM)
            finished = running.wait()
        assert finished.code == 0, finished.err
        assert reader.read_to_the_end() == feed.numbers
        assert reader.in_order() == feed.sent
        arrived = {record.raw: record.key for record in bridged.stream.read()}
        assert {value: key for key, _, value, _ in reader.copies} == arrived
    assert len(bridged.stream.shards()) == 6
    line = json.loads(finished.out.splitlines()[-1])
    assert line["records"] > 0
    assert set(line["behind_ms"]) == bridged.stream.open_shards()


def test_the_older_of_two_bridges_ends_and_says_so(bridged: Bridged) -> None:
    feed = Feed(bridged.stream)
    feed.put(5)
    with bridged.reader() as reader, bridged.begin() as older:
        older.until(lambda: len(reader.numbers()) == 5, "the first records")
        with bridged.begin() as newer, feed.running():
            finished = older.wait()
            newer.until(lambda: len(reader.numbers()) > 5, "a record copied by the newer")
            newer.interrupt(signal.SIGTERM)  # killed, it would leave a transaction open for the broker's minute
            newer.wait()
        numbers = reader.read_to_the_end()
    assert finished.code == 2
    assert "another bridge with the transactional id lambda-learner-bridge-us-east-1-" in finished.err
    assert "Traceback" not in finished.err
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(feed.numbers)


@pytest.mark.slow
def test_a_broker_that_is_killed_is_waited_for_told_once_and_nothing_is_lost(
    kinesis: str, kafka_broker: Broker, aws: None, tmp_path: Path
) -> None:
    topic = make_topic(kafka_broker.address, 4, f"bridged-{uuid.uuid4()}")
    bridged = Bridged(tmp_path, make_stream(kinesis, 2), topic)
    feed = Feed(bridged.stream)
    with bridged.begin() as running:
        with feed.running():
            with bridged.reader() as reader:  # which would not wait for the broker as the bridge does
                running.until(partial(reader.has_more_than, 10), "some records")
            kafka_broker.kill()
            running.until(lambda: "Kafka does not answer" in running.err.read_text(), "the problem")
            kafka_broker.start()
        with bridged.reader() as reader:
            running.until(lambda: len(reader.numbers()) >= len(feed.numbers), "all records")
            running.interrupt(signal.SIGTERM)
            finished = running.wait()
            assert reader.read_to_the_end() == feed.numbers
            assert reader.in_order() == feed.sent
    assert finished.code == 0, finished.err
    assert finished.err.count("Kafka does not answer") == finished.err.count("Kafka answers again") == 1
