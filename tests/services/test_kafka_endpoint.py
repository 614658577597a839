"""The endpoint with a Kafka topic as its sink: broker and endpoint are killed while clients send."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from deploy.services.kafka import Broker
from tests.harness.endpoint import SENDERS, Clients, Endpoint
from tests.harness.secured import Secured
from tests.harness.topic import Message, make_topic, partition_of

pytestmark = pytest.mark.services

PARTITIONS = 3


@dataclass(frozen=True)
class Story:
    """What clients sent and were answered: while the broker was gone, the endpoint was killed, and asked to end."""

    clients: Clients
    statuses_without_broker: Mapping[int, int]
    told: list[str]  # by the two runs of the endpoint
    messages: list[Message]

    @property
    def counts(self) -> Counter[str]:
        return Counter(message.value["message_id"] for message in self.messages if not message.is_heartbeat)


@pytest.fixture(scope="module")
def story(kafka_broker: Broker, secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Story:
    topic = make_topic(kafka_broker.address, PARTITIONS)
    connection = dict(secured.connection(kafka_broker, "SCRAM-SHA-512"))
    sink = {"kind": "kafka", "connection": connection, "topic": topic.name}
    endpoint = Endpoint(tmp_path_factory.mktemp("track"), sink)
    clients = Clients(endpoint)
    with endpoint.running() as first, clients:
        clients.until_answered(first, 100)
        before = Counter(clients.statuses)
        kafka_broker.kill()
        first.until(lambda: clients.statuses[503] >= 2 * SENDERS, "answers of 503")
        first.until(lambda: not endpoint.is_ready(), "unreadiness")
        without_broker = clients.statuses - before
        kafka_broker.start()
        clients.until_answered(first, 100)
        first.until(endpoint.is_ready, "readiness")
        clients.until_answered(first, 100)
        first.kill()
    with endpoint.running() as second, clients:
        clients.until_answered(second, 100)
        second.interrupt(signal.SIGTERM)
        assert second.wait().code == 0
    told = [running.err.read_text() for running in (first, second)]
    return Story(clients, without_broker, told, topic.read())


def test_what_was_answered_200_is_in_the_topic(story: Story) -> None:
    assert len(story.clients.answered) >= 400
    assert set(story.clients.answered) <= set(story.counts)


def test_what_was_answered_200_at_once_is_there_once(story: Story) -> None:
    at_once = set(story.clients.answered) - story.clients.refused
    assert {name: story.counts[name] for name in at_once} == dict.fromkeys(at_once, 1)


def test_nothing_is_there_that_was_not_sent(story: Story) -> None:
    assert set(story.counts) <= set(story.clients.events)
    for message in story.messages:
        if not message.is_heartbeat:
            sent = story.clients.events[message.value["message_id"]]
            assert {**sent, "received_at": message.value["received_at"]} == message.value


def test_without_a_broker_clients_are_told_when_to_try_again(story: Story) -> None:
    assert story.statuses_without_broker[503] >= 2 * SENDERS
    assert set(story.clients.statuses) == {200, 503, 0}
    assert story.clients.retry_after == {"1"}


def test_a_reward_is_on_the_partition_of_its_decision(story: Story) -> None:
    for message in story.messages:
        if not message.is_heartbeat:
            decision = message.value.get("decision_id", message.value["message_id"])
            assert message.key == decision
            assert message.partition == partition_of(decision, PARTITIONS)


def test_every_partition_has_heartbeats(story: Story) -> None:
    beats = Counter(message.partition for message in story.messages if message.is_heartbeat)
    assert set(beats) == set(range(PARTITIONS))
    assert min(beats.values()) >= 2


def test_the_operator_is_told_once_that_it_fails_and_once_that_it_is_well(story: Story) -> None:
    first, second = (told.splitlines() for told in story.told)
    assert "Kafka topic track-" in first[0]
    assert first[1].startswith("events cannot be stored")
    assert first[2:] == ["events are stored and made visible again"]
    assert len(second) == 1
