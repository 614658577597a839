"""The compacted topic of positions: made where it is not there, and read to its end, with what is committed only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import AuthorizationError, KafkaTimeoutError

from jobs.bridge.errors import BridgeError
from jobs.compacted_topic import COMPACT, cleanup_policy, make_topic

__all__ = ["check_topics", "read_topic"]

CONNECT_MS: Final = 5_000
POLL_MS: Final = 200
READ_SECONDS: Final = 90.0  # longer than an open transaction lasts, behind which nothing can be read
_OPTIONS: Final = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "allow_auto_create_topics": False,
    "bootstrap_timeout_ms": CONNECT_MS,
    "metrics_enabled": False,
}


def check_topics(connection: Mapping[str, Any], sink: str, positions: str) -> None:
    """Make the topic of positions where there is none; KafkaError when no broker answers.

    BridgeError when the sink's topic is not there, or positions would not be kept.
    """
    admin = KafkaAdminClient(**connection, bootstrap_timeout_ms=CONNECT_MS, request_timeout_ms=CONNECT_MS)
    with closing(admin):
        try:
            topics = set(admin.list_topics())
            if sink not in topics:
                message = f"bridge.sink.topic: there is no topic {sink}, or it may not be seen: make it first"
                raise BridgeError(message)
            if positions not in topics:
                make_topic(admin, positions, partitions=1, compacted=True)
            _check_compacted(admin, positions)
        except AuthorizationError as error:
            message = f"bridge.positions_topic: {positions} cannot be looked at or made: {error}"
            raise BridgeError(message) from error


def _check_compacted(admin: KafkaAdminClient, name: str) -> None:
    policy = cleanup_policy(admin, name)
    if policy != COMPACT:
        message = (
            f"bridge.positions_topic: {name} has cleanup.policy {policy}, so positions would be lost in time and "
            "records copied twice: set it to compact, or leave the topic for the bridge to make"
        )
        raise BridgeError(message)


def read_topic(connection: Mapping[str, Any], name: str, *, waits: bool) -> dict[str, bytes]:
    """The newest committed value of each key. KafkaError when that cannot be known now.

    With `waits` that of what is behind an open transaction too, which ends within READ_SECONDS.
    """
    ends = _ends(connection, name, "read_uncommitted" if waits else "read_committed")
    with closing(KafkaConsumer(**connection, **_OPTIONS, isolation_level="read_committed")) as consumer:
        consumer.assign(list(ends))
        found: dict[str, bytes] = {}
        deadline = time.monotonic() + READ_SECONDS
        while any((consumer.position(each) or 0) < end for each, end in ends.items()):
            if time.monotonic() > deadline:
                message = f"topic {name}: a transaction is open, of another producer"
                raise KafkaTimeoutError(message)
            for records in consumer.poll(POLL_MS).values():
                for record in records:
                    _take(found, record)
        return found


def _ends(connection: Mapping[str, Any], name: str, isolation: str) -> dict[TopicPartition, int]:
    """The ends for readers that see what is not committed; or of those that do not: before any open transaction."""
    with closing(KafkaConsumer(**connection, **_OPTIONS, isolation_level=isolation)) as consumer:
        numbers = consumer.partitions_for_topic(name)
        if not numbers:
            message = f"topic {name}: nothing is known of it yet"
            raise KafkaTimeoutError(message)
        ends: dict[TopicPartition, int] = consumer.end_offsets([TopicPartition(name, number) for number in numbers])
        return ends


def _take(found: dict[str, bytes], record: Any) -> None:
    key = record.key.decode(errors="replace") if record.key else ""
    if record.value is None:
        found.pop(key, None)
    else:
        found[key] = record.value
