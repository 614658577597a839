"""From the section `bridge` to a bridge with its ends in Kinesis and Kafka."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from config.bridge import Bridge as Section
from config.kafka import SecretError
from jobs.bridge.bridge import Bridge
from jobs.bridge.errors import BridgeError
from jobs.bridge.messages import Keys
from jobs.bridge.positions_topic import check_topics, read_topic
from jobs.bridge.progress import Progress
from jobs.bridge.session import Around, Copied
from jobs.bridge.stream import CLIENT_SETTINGS, KinesisClient, Stream
from jobs.bridge.transactions import Transactions, producer_settings
from jobs.bridge.trouble import Trouble
from jobs.kafka import connection_of
from operators.clock import wall_clock_ms

__all__ = ["KafkaLog", "Opened", "open_bridge"]


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """`Log` of real topics; `arguments` are those of kafka-python's clients that say how to connect."""

    arguments: dict[str, Any]
    topic: str
    positions_topic: str
    transactional_id: str

    def check(self) -> None:
        """Have the topics as they must be."""
        check_topics(self.arguments, self.topic, self.positions_topic)

    def read(self, *, waits: bool) -> dict[str, bytes]:
        """What is committed in the topic of positions, behind open transactions too if it waits for their end."""
        return read_topic(self.arguments, self.positions_topic, waits=waits)

    def take_over(self) -> Transactions:
        """A producer that fences the one before it."""
        return Transactions(producer_settings(self.arguments, self.transactional_id))


@dataclass(frozen=True, slots=True)
class Opened:
    """A bridge, and what it has copied."""

    bridge: Bridge
    progress: Progress


def open_bridge(
    section: Section, aws_region: str, *, skip_deleted: bool, out: Callable[[str], None], err: Callable[[str], None]
) -> Opened:
    """A bridge as the section says; nothing is asked of the services yet. BridgeError where that cannot be."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # while brokers are away it logs each attempt; we tell once
    source, region = section.source, section.source.region or aws_region
    transactional_id = section.transactional_id or f"lambda-learner-bridge-{region}-{source.stream}"
    log = KafkaLog(_arguments(section), section.sink.topic, section.positions_topic, transactional_id)
    stream = Stream(source.stream, _client(region, source.endpoint))
    keys = Keys(region, source.stream)
    copied = Copied(stream, keys, log.topic, log.positions_topic, source.start, skip_deleted)
    progress = Progress(out, wall_clock_ms())
    err(f"stream {source.stream} in {region} to topic {log.topic}, positions in {log.positions_topic}")
    around = Around(progress, Trouble(err), wall_clock_ms)
    return Opened(Bridge(copied, log, transactional_id, around), progress)


def _arguments(section: Section) -> dict[str, Any]:
    try:
        return connection_of(section.sink.connection).arguments()
    except SecretError as error:
        message = f"bridge.sink.connection.password: {error}"
        raise BridgeError(message) from error


def _client(region: str, endpoint: str | None) -> KinesisClient:
    try:
        client: KinesisClient = boto3.client(
            "kinesis", region_name=region, endpoint_url=endpoint, config=Config(**CLIENT_SETTINGS)
        )
    except (BotoCoreError, ValueError) as error:
        message = f"bridge.source: {error}"
        raise BridgeError(message) from error
    return client
