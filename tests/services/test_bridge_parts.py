"""The ends of the bridge, each against its service: transactions, the topic of positions, and shards."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from kafka.errors import KafkaError

from jobs.bridge.errors import BridgeError, KinesisAway
from jobs.bridge.messages import Message
from jobs.bridge.positions import Position
from jobs.bridge.positions_topic import check_topics, read_topic
from jobs.bridge.stream import CLIENT_SETTINGS, Page, Stream
from jobs.bridge.transactions import Transactions, producer_settings
from operators.clock import wall_clock_ms
from tests.harness.stream import TestStream, kinesis_client
from tests.harness.topic import TestTopic, make_topic

pytestmark = pytest.mark.services

Open = Callable[[str], Transactions]
PATIENCE_SECONDS = 30.0


@pytest.fixture
def topic(kafka: str) -> TestTopic:
    return make_topic(kafka, 1, f"copies-{uuid.uuid4()}")


@pytest.fixture
def positions(topic: TestTopic) -> str:
    name = f"positions-{uuid.uuid4()}"
    check_topics({"bootstrap_servers": topic.servers}, topic.name, name)
    return name


@pytest.fixture
def opened(topic: TestTopic) -> Iterator[Open]:
    with ExitStack() as stack:

        def of(transactional_id: str) -> Transactions:
            settings = producer_settings({"bootstrap_servers": topic.servers}, f"{topic.name} {transactional_id}")
            writer = Transactions(settings)
            stack.callback(writer.close)
            return writer

        yield of


def leave_open(writer: Transactions, topic: str, key: bytes, value: bytes) -> None:
    """A transaction whose record is with the broker."""
    writer._producer.begin_transaction()
    writer._producer.send(topic, value, key=key).get(PATIENCE_SECONDS)


def read(topic: TestTopic, name: str, *, waits: bool = True) -> dict[str, bytes]:
    return read_topic({"bootstrap_servers": topic.servers}, name, waits=waits)


def test_the_newest_value_of_each_key_is_read_and_a_deleted_one_is_not(
    topic: TestTopic, positions: str, opened: Open
) -> None:
    writer = opened("a")
    assert read(topic, positions) == {}
    writer.write([Message(positions, b"x", b"1"), Message(positions, b"y", b"2")])
    writer.write([Message(positions, b"x", b"3"), Message(positions, b"y", None)])
    assert read(topic, positions) == {"x": b"3"}


def test_what_a_bridge_had_not_committed_never_happened_when_the_next_has_taken_over(
    topic: TestTopic, positions: str, opened: Open
) -> None:
    older = opened("a")
    older.write([Message(positions, b"x", b"committed")])
    leave_open(older, positions, b"x", b"open")
    newer = opened("a")
    assert read(topic, positions) == {"x": b"committed"}
    newer.write([Message(positions, b"y", b"newer")])
    with pytest.raises(KafkaError):
        older._commit()
    assert read(topic, positions) == {"x": b"committed", "y": b"newer"}


def test_a_look_at_what_is_committed_does_not_wait_for_an_open_transaction(
    topic: TestTopic, positions: str, opened: Open
) -> None:
    killed = opened("a")
    killed.write([Message(positions, b"x", b"committed")])
    leave_open(killed, positions, b"x", b"open")
    assert read(topic, positions, waits=False) == {"x": b"committed"}
    killed._commit()  # the broker would have ended the transaction of one that waits
    assert read(topic, positions) == {"x": b"open"}


def test_a_bridge_that_another_has_replaced_writes_nothing(topic: TestTopic, positions: str, opened: Open) -> None:
    older = opened("a")
    older.write([Message(positions, b"x", b"1")])
    opened("a")
    with pytest.raises(KafkaError):
        older.write([Message(positions, b"x", b"2")])
    assert read(topic, positions) == {"x": b"1"}


def test_what_is_committed_behind_the_open_transaction_of_another_stream_is_waited_for(
    topic: TestTopic, positions: str, opened: Open
) -> None:
    other, mine = opened("other"), opened("mine")
    leave_open(other, positions, b"other", b"1")
    mine.write([Message(positions, b"mine", b"2")])
    timer = threading.Timer(1.0, other._commit)
    timer.start()
    assert read(topic, positions) == {"other": b"1", "mine": b"2"}
    timer.join()


def test_a_record_that_the_topic_does_not_take_is_named(topic: TestTopic, opened: Open) -> None:
    large = Message(topic.name, b"k", b"x" * 5_000_000, what="record 7 of shard s, 5000000 bytes")
    before, after = Message(topic.name, b"k", b"before"), Message(topic.name, b"k", b"after")
    for messages in ([before, large], [before, large, *[after] * 50_000]):  # refused while more are sent
        with pytest.raises(
            BridgeError, match=r"does not take record 7 of shard s, 5000000 bytes: .*: max\.message\.bytes"
        ):
            opened("a").write(messages)


def test_positions_are_not_kept_where_they_would_be_deleted(topic: TestTopic) -> None:
    other = make_topic(topic.servers, 1)
    with pytest.raises(BridgeError, match=f"{other.name} has cleanup.policy delete, so positions would be lost"):
        check_topics({"bootstrap_servers": topic.servers}, topic.name, other.name)


def test_a_topic_that_is_not_there_is_said(topic: TestTopic) -> None:
    with pytest.raises(BridgeError, match=r"bridge\.sink\.topic: there is no topic not-there"):
        check_topics({"bootstrap_servers": topic.servers}, "not-there", topic.name)


@pytest.fixture
def source(stream: TestStream) -> Stream:
    return Stream(stream.name, kinesis_client(stream.endpoint, **CLIENT_SETTINGS))


def page(source: Stream, shard: str, position: Position) -> Page:
    return source.page(shard, source.iterator(shard, position))


def test_a_shard_is_read_from_its_beginning_a_time_or_a_record_on(stream: TestStream, source: Stream) -> None:
    """With one record in the first shard, and one a second later."""
    for number in range(2):
        stream.client.put_record(StreamName=stream.name, PartitionKey="k", ExplicitHashKey="0", Data=b"%d" % number)
        time.sleep(1.1 * (1 - number))
    shard = min(source.shards().values(), key=lambda each: each.id)
    whole = page(source, shard.id, Position(shard.first))
    assert [(each.key, each.data) for each in whole.records] == [("k", b"0"), ("k", b"1")]
    first, second = whole.records
    assert 1_000 <= second.time_ms - first.time_ms < PATIENCE_SECONDS * 1000
    for position in (Position(shard.first, first.number), Position(shard.first, since_ms=second.time_ms)):
        assert [each.data for each in page(source, shard.id, position).records] == [b"1"]
    since_now = page(source, shard.id, Position(shard.first, since_ms=second.time_ms + 1))
    assert (list(since_now.records), since_now.next_iterator is None) == ([], False)
    assert source.retention_ms() == 24 * 3_600_000


def test_a_clock_that_is_ahead_of_the_service_is_waited_for(stream: TestStream, source: Stream) -> None:
    shard = min(source.shards())
    stream.client.put_record(StreamName=stream.name, PartitionKey="k", ExplicitHashKey="0", Data=b"x")
    ahead = Position("1", since_ms=wall_clock_ms() + 3_600_000)
    with pytest.raises(KinesisAway, match="Timestamp cannot be in the future"):
        source.iterator(shard, ahead)


def test_a_stream_that_is_not_there_is_said(stream: TestStream) -> None:
    with pytest.raises(BridgeError, match="Kinesis stream not-there, its shards: .*ResourceNotFoundException"):
        Stream("not-there", kinesis_client(stream.endpoint)).shards()
