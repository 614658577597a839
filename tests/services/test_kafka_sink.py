"""The Kafka sink against a broker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from config.kafka import KafkaConnection
from config.settings import Settings
from jobs.track.kafka_client import producer_settings
from jobs.track.kafka_sink import KafkaTopic
from jobs.track.queued import QueuedSink
from jobs.track.sink import NotStoredError
from jobs.track.sinks import open_sink
from lambda_learner.events.accept import Stored
from tests.harness.topic import TestTopic, add_partitions, make_topic, partition_of

pytestmark = pytest.mark.services

PATIENCE_SECONDS = 30.0
PARTITIONS = 3


def event(number: int, size: int = 0) -> Stored:
    fields = {"message_id": f"{number:027d}", "filler": "x" * size}
    return Stored(json.dumps(fields).encode() + b"\n", f"decision-{number % 50}")


@contextmanager
def sink_of(topic: TestTopic, **changed: Any) -> Iterator[QueuedSink]:
    connection = KafkaConnection(bootstrap_servers=(topic.servers,))
    settings = producer_settings(connection, 1_024_000) | changed
    sink = QueuedSink(KafkaTopic(topic.name, settings))
    sink.open()
    try:
        yield sink
    finally:
        sink.close()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def topic(kafka: str) -> TestTopic:
    return make_topic(kafka, PARTITIONS)


def test_all_that_is_acknowledged_is_there_once_on_the_partition_of_its_key(topic: TestTopic) -> None:
    events = [event(number) for number in range(2_000)]
    with sink_of(topic) as sink:
        for stored in [sink.append(each) for each in events]:
            stored.result(PATIENCE_SECONDS)
        found = topic.events()
    assert sorted(message.raw + b"\n" for message in found) == sorted(each.line for each in events)
    assert {message.key for message in found} == {each.key for each in events}
    assert all(message.partition == partition_of(str(message.key), PARTITIONS) for message in found)


def test_an_event_is_there_as_soon_as_it_is_acknowledged(topic: TestTopic) -> None:
    with sink_of(topic) as sink:
        sink.append(event(1)).result(PATIENCE_SECONDS)
        assert topic.counts().total() == 1


def test_closing_stores_what_waits(topic: TestTopic) -> None:
    with sink_of(topic) as sink:
        stored = [sink.append(event(number)) for number in range(500)]
    assert all(each.done() and each.exception() is None for each in stored)
    assert topic.counts().total() == 500
    with pytest.raises(NotStoredError):
        sink.append(event(1))


def test_the_settings_choose_the_topic(topic: TestTopic) -> None:
    chosen = {"kind": "kafka", "topic": topic.name, "connection": {"bootstrap_servers": topic.servers}}
    sink, where = open_sink(Settings.model_validate({"track": {"sink": chosen}}), lambda: None)
    sink.append(event(1)).result(PATIENCE_SECONDS)
    sink.close()
    assert where == f"Kafka topic {topic.name} at {topic.servers}"
    assert topic.counts().total() == 1


def test_every_partition_has_heartbeats_those_too_that_are_added(topic: TestTopic) -> None:
    with sink_of(topic, metadata_max_age_ms=300) as sink:
        until(lambda: topic.beating() == {0, 1, 2})
        add_partitions(topic, 5)
        until(lambda: topic.beating() == {0, 1, 2, 3, 4})
        assert sink.problem is None
    assert all(message.key is None for message in topic.read())


def test_a_topic_that_is_not_there_is_told_and_taken_when_it_comes(kafka: str) -> None:
    missing = TestTopic(kafka, f"later-{time.time_ns()}")
    with sink_of(missing, max_block_ms=300) as sink:
        with pytest.raises(NotStoredError, match=f"Kafka topic {missing.name} at {kafka}"):
            sink.append(event(1)).result(PATIENCE_SECONDS)
        until(lambda: sink.problem)
        make_topic(kafka, 1, missing.name)
        until(lambda: sink.problem is None)
        sink.append(event(2)).result(PATIENCE_SECONDS)
    assert list(missing.counts()) == [f"{2:027d}"]


def test_an_event_as_large_as_the_endpoint_takes_is_stored_and_a_larger_one_refused(topic: TestTopic) -> None:
    with sink_of(topic) as sink:
        sink.append(event(1, 1_024_000 - 100)).result(PATIENCE_SECONDS)
        with pytest.raises(NotStoredError, match="larger than"):
            sink.append(event(2, 1_200_000)).result(PATIENCE_SECONDS)
        sink.append(event(3)).result(PATIENCE_SECONDS)
    assert topic.counts().total() == 2
