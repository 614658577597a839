"""The storage of a Kafka topic with a producer that does what the test says; the clock is the test's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from kafka.future import Future as KafkaFuture

from config.kafka import KafkaConnection, Secret
from jobs.track.kafka_client import producer_settings
from jobs.track.kafka_sink import BEAT_MS, SILENCE_MS, STUCK_MS, KafkaTopic
from jobs.track.sink import NotStoredError
from jobs.track.waiting import Waiting, WaitingEvents
from lambda_learner.events.accept import Stored

NOW_MS = 1_795_406_033_000
MAX_BYTES = 100


@dataclass
class Sent:
    """What a producer was given."""

    value: bytes
    key: bytes | None
    partition: int | None
    timestamp_ms: int
    future: KafkaFuture = field(default_factory=KafkaFuture)

    @property
    def is_heartbeat(self) -> bool:
        return bool(json.loads(self.value).get("type") == "heartbeat")


@dataclass
class Producer:
    """Keeps what it is given; the test acknowledges it, or lets it fail."""

    partitions: set[int] = field(default_factory=lambda: {0, 1})
    sent: list[Sent] = field(default_factory=list)
    has_topic: bool = True
    room: int = 1_000  # so many are taken, then the topic is gone
    closed: bool = False
    forced: bool = False

    @property
    def _sender(self) -> Producer:
        return self

    def force_close(self) -> None:
        self.forced = True
        self.fail(RuntimeError("forced"))

    def partitions_for(self, topic: str) -> set[int]:
        if not self.has_topic:
            message = f"no topic {topic}"
            raise KafkaTimeoutError(message)
        return self.partitions

    def send(
        self, topic: str, value: bytes, *, key: bytes | None = None, partition: int | None = None, timestamp_ms: int
    ) -> KafkaFuture:
        assert topic == "events"
        if len(value) > MAX_BYTES:
            message = "too large"
            raise MessageSizeTooLargeError(message)
        if len(self.sent) == self.room:
            message = "the topic is gone"
            raise KafkaTimeoutError(message)
        self.sent.append(Sent(value, key, partition, timestamp_ms))
        return self.sent[-1].future

    def close(self, timeout: float) -> None:
        if any(not sent.future.is_done for sent in self.sent):
            message = "something is on its way"
            raise KafkaTimeoutError(message)
        self.closed = True

    def acknowledge(self, *partitions: int) -> None:
        for sent in self.waiting(*partitions):
            sent.future.success(None)

    def fail(self, error: Exception, *partitions: int) -> None:
        for sent in self.waiting(*partitions):
            sent.future.failure(error)

    def waiting(self, *partitions: int) -> list[Sent]:
        return [
            sent for sent in self.sent if not sent.future.is_done and (not partitions or sent.partition in partitions)
        ]

    def heartbeats(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.is_heartbeat]


@dataclass
class Kafka:
    """Gives producers while it is there."""

    producers: list[Producer] = field(default_factory=list)
    is_there: bool = True

    def connect(self, **settings: Any) -> Producer:
        if not self.is_there:
            message = "no broker answers"
            raise KafkaTimeoutError(message)
        self.producers.append(Producer())
        return self.producers[-1]

    @property
    def producer(self) -> Producer:
        return self.producers[-1]


@dataclass
class Opened:
    """A storage with the queue that it answers."""

    storage: KafkaTopic
    waiting: WaitingEvents

    def store(self, number: int, size: int = 1, now_ms: int = NOW_MS) -> list[Waiting]:
        line = b'{"a":"' + b"x" * size + b'"}\n'
        for index in range(number):
            self.waiting.append(Stored(line, f"key-{index}"))
        group = self.waiting.gather(0)
        assert group is not None
        self.storage.store(group, now_ms)
        return group


@pytest.fixture
def kafka_there() -> Kafka:
    return Kafka()


@pytest.fixture
def opened(kafka_there: Kafka) -> Callable[[], Opened]:
    def make() -> Opened:
        settings = {"bootstrap_servers": ["broker:9092"]}
        storage = KafkaTopic("events", settings, connect=kafka_there.connect)
        waiting = WaitingEvents()
        waiting.open()
        storage.open(waiting.answer, NOW_MS)
        return Opened(storage, waiting)

    return make


def problem_of(waiting: Waiting) -> str:
    error = waiting.stored.exception(0)
    assert isinstance(error, NotStoredError)
    return str(error)


def test_an_event_is_answered_when_it_is_acknowledged(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    (waiting,) = opened().store(1)
    (sent,) = kafka_there.producer.sent
    assert (sent.value, sent.key, sent.partition, sent.timestamp_ms) == (b'{"a":"x"}', b"key-0", None, NOW_MS)
    assert not waiting.stored.done()
    kafka_there.producer.acknowledge()
    assert waiting.stored.result(0) is None


def test_an_event_that_fails_is_refused_and_no_other(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    bad, good = opened().store(2)
    kafka_there.producer.sent[0].future.failure(KafkaTimeoutError("it took too long"))
    kafka_there.producer.acknowledge()
    assert problem_of(bad) == "Kafka topic events at broker:9092: KafkaTimeoutError: it took too long"
    assert good.stored.result(0) is None


def test_an_event_that_no_request_can_hold_is_refused_and_no_other(
    opened: Callable[[], Opened], kafka_there: Kafka
) -> None:
    storage = opened()
    (large,) = storage.store(1, MAX_BYTES)
    (small,) = storage.store(1)
    kafka_there.producer.acknowledge()
    assert "too large" in problem_of(large)
    assert small.stored.result(0) is None


def test_without_a_broker_events_are_refused_at_once_until_there_is_one(
    opened: Callable[[], Opened], kafka_there: Kafka
) -> None:
    kafka_there.is_there = False
    storage = opened()
    (waiting,) = storage.store(1)
    assert "no broker answers; no broker is there, or none accepts" in problem_of(waiting)
    assert "no broker answers" in str(storage.storage.beat(NOW_MS))
    kafka_there.is_there = True
    assert storage.storage.beat(NOW_MS + BEAT_MS) is None
    (waiting,) = storage.store(1)
    kafka_there.producer.acknowledge()
    assert waiting.stored.result(0) is None


def test_without_its_topic_events_are_refused(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    storage = opened()
    kafka_there.producer.has_topic = False
    group = storage.store(3)
    assert [problem_of(waiting).endswith("no topic events") for waiting in group] == [True] * 3
    assert "no topic events" in str(storage.storage.beat(NOW_MS))


def test_a_topic_that_goes_while_heartbeats_are_sent_is_a_problem_until_it_is_back(
    opened: Callable[[], Opened], kafka_there: Kafka
) -> None:
    storage = opened().storage
    kafka_there.producer.room = 1
    assert "the topic is gone" in str(storage.beat(NOW_MS))
    kafka_there.producer.acknowledge()
    kafka_there.producer.room = 1_000
    assert storage.beat(NOW_MS + BEAT_MS) is None
    kafka_there.producer.acknowledge()
    assert storage.beat(NOW_MS + 2 * BEAT_MS) is None


def test_a_topic_that_goes_while_events_are_sent_leaves_none_unanswered(
    opened: Callable[[], Opened], kafka_there: Kafka
) -> None:
    storage = opened()
    kafka_there.producer.room = 1
    first, *others = storage.store(3)
    kafka_there.producer.acknowledge()
    assert first.stored.result(0) is None
    assert ["the topic is gone" in problem_of(waiting) for waiting in others] == [True] * 2


def test_each_partition_has_a_heartbeat_a_second(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    storage = opened().storage
    storage.beat(NOW_MS)
    storage.beat(NOW_MS + BEAT_MS - 1)
    kafka_there.producer.partitions = {0, 1, 2}
    storage.beat(NOW_MS + BEAT_MS)
    beats = [(sent.partition, json.loads(sent.value)["time"]) for sent in kafka_there.producer.heartbeats()]
    assert beats == [(0, NOW_MS), (1, NOW_MS), *((partition, NOW_MS + BEAT_MS) for partition in range(3))]


def test_one_partition_without_a_leader_is_no_problem_but_all_are(
    opened: Callable[[], Opened], kafka_there: Kafka
) -> None:
    storage = opened().storage
    storage.beat(NOW_MS)
    kafka_there.producer.fail(KafkaTimeoutError("no leader"), 0)
    kafka_there.producer.acknowledge(1)
    assert storage.beat(NOW_MS + BEAT_MS) is None
    kafka_there.producer.fail(KafkaTimeoutError("no leader"))
    assert "no leader" in str(storage.beat(NOW_MS + 2 * BEAT_MS))
    kafka_there.producer.acknowledge()
    assert storage.beat(NOW_MS + 2 * BEAT_MS) is None


def test_a_producer_that_gets_nothing_through_is_given_up_with_all_it_has(
    opened: Callable[[], Opened], kafka_there: Kafka
) -> None:
    storage = opened()
    group = storage.store(3)
    first = kafka_there.producer
    kafka_there.is_there = False
    for ms in range(0, SILENCE_MS, BEAT_MS):
        storage.storage.beat(NOW_MS + ms)
        assert not first.closed
    assert "no broker answers" in str(storage.storage.beat(NOW_MS + SILENCE_MS))
    assert first.closed
    assert ["nothing has come through" in problem_of(waiting) for waiting in group] == [True] * 3
    assert storage.waiting.waiting_events == storage.waiting.waiting_bytes == 0
    kafka_there.is_there = True
    assert storage.storage.beat(NOW_MS + SILENCE_MS + BEAT_MS) is None
    assert len(kafka_there.producers) == 2


def test_a_producer_that_gets_events_through_is_kept_though_heartbeats_wait_behind_them(
    opened: Callable[[], Opened], kafka_there: Kafka
) -> None:
    storage = opened()
    for ms in range(0, STUCK_MS, BEAT_MS):
        storage.storage.beat(NOW_MS + ms)
        storage.store(1, now_ms=NOW_MS + ms)
        kafka_there.producer.sent[-1].future.success(None)
    assert len(kafka_there.producers) == 1
    assert not kafka_there.producer.closed


def test_a_producer_whose_one_partition_is_stuck_is_given_up(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    storage = opened().storage
    first = kafka_there.producer
    for ms in range(0, STUCK_MS, BEAT_MS):
        storage.beat(NOW_MS + ms)
        first.acknowledge(1)
        assert not first.closed
    storage.beat(NOW_MS + STUCK_MS)
    assert first.closed


def test_a_producer_that_works_is_kept(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    storage = opened().storage
    for ms in range(0, 3 * STUCK_MS, BEAT_MS):
        storage.beat(NOW_MS + ms)
        kafka_there.producer.acknowledge()
    assert len(kafka_there.producers) == 1


def test_closing_waits_for_what_is_acknowledged(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    storage = opened()
    storage.store(1)
    kafka_there.producer.acknowledge()
    storage.storage.close(NOW_MS)
    assert kafka_there.producer.closed
    assert not kafka_there.producer.forced


def test_closing_refuses_what_is_not_acknowledged(opened: Callable[[], Opened], kafka_there: Kafka) -> None:
    storage = opened()
    (waiting,) = storage.store(1)
    storage.storage.close(NOW_MS)
    assert kafka_there.producer.closed
    assert "forced" in problem_of(waiting)


def test_the_producer_is_durable_and_makes_no_topics() -> None:
    settings = producer_settings(KafkaConnection(bootstrap_servers=("a:1", "b:2")), 2_000_000)
    assert settings["bootstrap_servers"] == ["a:1", "b:2"]
    assert (settings["acks"], settings["enable_idempotence"], settings["allow_auto_create_topics"]) == (
        "all",
        True,
        False,
    )
    assert settings["max_request_size"] > 2_000_000
    assert "sasl_plain_password" not in settings


def test_the_password_is_taken_from_where_the_configuration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_PASSWORD_OF_A_TEST", "secret")
    connection = KafkaConnection(
        bootstrap_servers=("a:1",),
        security_protocol="SASL_SSL",
        ca_file="ca.pem",
        sasl_mechanism="SCRAM-SHA-512",
        username="me",
        password=Secret(env="KAFKA_PASSWORD_OF_A_TEST"),
    )
    settings = producer_settings(connection, 1)
    assert settings["sasl_plain_password"] == "secret"
    assert (settings["security_protocol"], settings["sasl_mechanism"], settings["sasl_plain_username"]) == (
        "SASL_SSL",
        "SCRAM-SHA-512",
        "me",
    )
    assert settings["ssl_cafile"] == "ca.pem"
    assert "secret" not in repr(connection)
