"""What the job asks of Kafka, of a real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from unittest.mock import Mock

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from operators.kafka_client import Connection, Fetcher, KafkaLog, RecordsGone
from operators.offsets import OffsetRange, Partition
from tests.harness.topic import TestTopic, add_partitions, make_topic

pytestmark = pytest.mark.services

PATIENCE_SECONDS = 30.0
T0_MS = 1_700_000_000_000


@pytest.fixture
def topic(kafka: str) -> TestTopic:
    return make_topic(kafka, 2)


@pytest.fixture
def log(topic: TestTopic) -> Iterator[KafkaLog]:
    with closing(Connection({"bootstrap_servers": topic.servers}).consumer("group")) as consumer:
        yield KafkaLog(consumer, [topic.name])


@pytest.fixture
def fetcher(topic: TestTopic) -> Iterator[Fetcher]:
    with closing(Fetcher(Connection({"bootstrap_servers": topic.servers}).consumer)) as fetcher:
        yield fetcher


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def send(topic: TestTopic, partition: int, *times_ms: int, value: bytes = b"x" * 100) -> None:
    """A record for each time, which its value begins with."""
    with closing(KafkaProducer(bootstrap_servers=topic.servers, linger_ms=5)) as producer:
        for time_ms in times_ms:
            producer.send(topic.name, b"%d %s" % (time_ms, value), partition=partition, timestamp_ms=time_ms)
        producer.flush()


def times(fetcher: Fetcher, *ranges: OffsetRange) -> list[int]:
    """The times of arrival of what is read, each checked against its line."""
    lines = list(fetcher.lines(ranges))
    assert all(line.data.startswith(b"%d " % (line.arrival_ms or 0)) for line in lines)
    return [line.arrival_ms or 0 for line in lines]


def test_all_partitions_of_all_topics_are_found_also_those_that_are_added(kafka: str, topic: TestTopic) -> None:
    other = make_topic(kafka, 1)
    with closing(Connection({"bootstrap_servers": kafka, "metadata_max_age_ms": 500}).consumer()) as consumer:
        log = KafkaLog(consumer, [topic.name, other.name])
        assert log.partitions() == [Partition(topic.name, 0), Partition(topic.name, 1), Partition(other.name, 0)]
        log.ends(log.partitions())
        add_partitions(topic, 3)
        until(lambda: log.partitions()[:3] == [Partition(topic.name, number) for number in range(3)])


def test_offsets_are_those_of_ends_and_times(topic: TestTopic, log: KafkaLog) -> None:
    send(topic, 0, T0_MS, T0_MS + 10, T0_MS + 20)
    zero, one = Partition(topic.name, 0), Partition(topic.name, 1)
    assert log.ends([zero, one]) == {zero: 3, one: 0}
    assert log.at_time([zero, one], T0_MS + 10) == {zero: 1, one: 0}
    assert log.at_time([zero, one], T0_MS + 21) == {zero: 3, one: 0}


def test_a_start_is_the_oldest_record_the_end_or_what_the_group_has_committed(topic: TestTopic, log: KafkaLog) -> None:
    send(topic, 0, *range(T0_MS, T0_MS + 5))
    zero, one = Partition(topic.name, 0), Partition(topic.name, 1)
    assert log.starts([zero, one], "earliest") == {zero: 0, one: 0}
    assert log.starts([zero, one], "latest") == {zero: 5, one: 0}
    log.commit({zero: 3})
    assert log.starts([zero, one], "committed") == {zero: 3, one: 0}


def test_records_of_several_partitions_come_in_order_of_arrival(topic: TestTopic, fetcher: Fetcher) -> None:
    send(topic, 0, 1, 4, 5)
    send(topic, 1, 2, 3, 6)
    name = topic.name
    assert times(fetcher, OffsetRange(name, 0, 0, 3), OffsetRange(name, 1, 0, 2)) == [1, 2, 3, 4, 5]
    (line,) = fetcher.lines([OffsetRange(name, 1, 2, 3)])
    assert (line.offset, line.source) == (2, f"{name}-1")


def test_ranges_that_follow_each_other_and_ranges_that_do_not_are_read_exactly(
    topic: TestTopic, fetcher: Fetcher
) -> None:
    send(topic, 0, *range(1_000, 4_000))
    for start, end in [(0, 700), (700, 701), (701, 2_900), (2_950, 3_000), (5, 10), (8, 12), (0, 3_000)]:
        assert times(fetcher, OffsetRange(topic.name, 0, start, end)) == list(range(1_000 + start, 1_000 + end))


def test_a_range_that_has_transactions_in_it_has_their_committed_records_only(
    kafka: str, topic: TestTopic, fetcher: Fetcher, log: KafkaLog
) -> None:
    with closing(KafkaProducer(bootstrap_servers=kafka, transactional_id=topic.name)) as producer:
        producer.init_transactions()
        for time_ms, keep in ((1, True), (2, False), (3, True)):
            producer.begin_transaction()
            producer.send(topic.name, b"%d " % time_ms, partition=0, timestamp_ms=time_ms)
            producer.flush()  # or else an aborted one sends nothing
            producer.commit_transaction() if keep else producer.abort_transaction()
    marked = 6  # each transaction has a mark after it, which comes a little later
    until(lambda: log.ends([Partition(topic.name, 0)]) == {Partition(topic.name, 0): marked})
    assert times(fetcher, OffsetRange(topic.name, 0, 0, marked)) == [1, 3]


def test_a_record_without_a_value_is_an_empty_line(topic: TestTopic, fetcher: Fetcher) -> None:
    with closing(KafkaProducer(bootstrap_servers=topic.servers)) as producer:
        producer.send(topic.name, None, key=b"k", partition=0).get(10)
    (line,) = fetcher.lines([OffsetRange(topic.name, 0, 0, 1)])
    assert line.data == b""


def test_records_that_are_deleted_are_an_error_that_names_their_partition(topic: TestTopic, fetcher: Fetcher) -> None:
    send(topic, 0, *range(10))
    with closing(KafkaAdminClient(bootstrap_servers=topic.servers)) as admin:
        admin.delete_records({TopicPartition(topic.name, 0): 5})
    with pytest.raises(RecordsGone, match=rf"{topic.name}-0 .*keep them longer"):
        list(fetcher.lines([OffsetRange(topic.name, 0, 0, 10)]))


def test_a_client_that_hangs_is_replaced_as_soon_as_a_broker_answers(
    topic: TestTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(topic, 0, 1, 2)
    monkeypatch.setattr("operators.kafka_client.STUCK_SECONDS", 0.1)
    monkeypatch.setattr("operators.kafka_client.AGAIN_SECONDS", 0.01)
    hanging = Mock(**{"position.return_value": 0, "poll.return_value": {}, "close.side_effect": KafkaTimeoutError})
    there = Connection({"bootstrap_servers": topic.servers}).consumer
    connect = Mock(side_effect=[KafkaConnectionError, hanging, KafkaConnectionError, KafkaConnectionError, there()])
    with closing(Fetcher(connect)) as fetcher:
        assert times(fetcher, OffsetRange(topic.name, 0, 0, 2)) == [1, 2]
