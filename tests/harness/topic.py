"""Topics of Kafka that a test makes for itself, and all that is in them."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.partitioner import murmur2

# Lines that are too long for the job, and events of another year, are there to be read.
_CONFIGS = {"retention.ms": "-1", "max.message.bytes": "4000000"}


@dataclass(frozen=True)
class Message:
    """A record of a topic; its value as JSON."""

    partition: int
    key: str | None
    value: Mapping[str, Any]
    raw: bytes
    timestamp: int

    @property
    def is_heartbeat(self) -> bool:
        return self.value.get("type") == "heartbeat"


@dataclass(frozen=True)
class TestTopic:
    """A topic with a name of its own."""

    servers: str
    name: str
    __test__ = False

    def read(self) -> list[Message]:
        """All messages, partition by partition, up to the ends that there are now."""
        with closing(KafkaConsumer(bootstrap_servers=self.servers)) as consumer:
            partitions = [TopicPartition(self.name, number) for number in consumer.partitions_for_topic(self.name)]
            ends = consumer.end_offsets(partitions)
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            found: list[Message] = []
            while any(consumer.position(partition) < ends[partition] for partition in partitions):
                for records in consumer.poll(timeout_ms=500).values():
                    found += [_message(record) for record in records]
            return sorted(found, key=lambda message: message.partition)

    def events(self) -> list[Message]:
        return [message for message in self.read() if not message.is_heartbeat]

    def counts(self) -> Counter[str]:
        """How often each message_id is there."""
        return Counter(message.value["message_id"] for message in self.events())

    def beating(self) -> set[int]:
        """The partitions that have heartbeats."""
        return {message.partition for message in self.read() if message.is_heartbeat}


def make_topic(servers: str, partitions: int = 3, name: str | None = None) -> TestTopic:
    """A new topic, which is there when this returns."""
    topic = TestTopic(servers, name or f"track-{uuid.uuid4()}")
    with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        admin.create_topics([NewTopic(topic.name, partitions, 1, topic_configs=_CONFIGS)])
    return topic


def add_partitions(topic: TestTopic, total: int) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=topic.servers)) as admin:
        admin.create_partitions({topic.name: total})


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's own clients put a key."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _message(record: Any) -> Message:
    key = None if record.key is None else record.key.decode()
    return Message(record.partition, key, json.loads(record.value), record.value, record.timestamp)
