"""Puts parts of a log where the job reads it: a followed folder, or a topic of three partitions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final, Protocol

import orjson
from kafka import KafkaProducer

from tests.harness.feed import Folder, heartbeat, text
from tests.harness.mangled import received_ms, slices_of
from tests.harness.topic import TestTopic

__all__ = ["Feeder", "FolderFeeder", "TopicFeeder", "closing_beat"]

PARTITIONS: Final = 3
SLICE_MS: Final = 5_000  # of arrival: no partition has lines this much newer than the newest of another
QUIET_MS: Final = 3_600_000  # of event time after the last line: every window has closed
MAX_BYTES: Final = 1 << 22  # lines that are too long for the job are sent nevertheless


class Feeder(Protocol):
    """A log that grows."""

    def put(self, lines: Sequence[bytes]) -> None:
        """Add lines; they are there to stay when this returns."""


class FolderFeeder:
    """Each part is a file."""

    def __init__(self, folder: Folder) -> None:
        """Take the folder that the job follows."""
        self._folder = folder

    def put(self, lines: Sequence[bytes]) -> None:
        """Add a file, complete when it appears."""
        if lines:
            self._folder.put(b"".join(line + b"\n" for line in lines))


class TopicFeeder:
    """Each line is in the partition of its decision, at its time of arrival; what has no decision, in any."""

    def __init__(self, topic: TestTopic) -> None:
        """Take a topic of PARTITIONS partitions."""
        self._topic = topic

    def put(self, lines: Sequence[bytes]) -> None:
        """Send the lines, a slice of arrival after the other."""
        options: dict[str, Any] = {"bootstrap_servers": self._topic.servers, "max_request_size": MAX_BYTES}
        with closing(KafkaProducer(linger_ms=20, **options)) as producer:
            for part in slices_of(lines, SLICE_MS):
                for at_ms, line in part:
                    producer.send(self._topic.name, line, key=_key(line), timestamp_ms=at_ms)
                producer.flush()


def closing_beat(lines: Sequence[bytes]) -> bytes:
    """A heartbeat after which every window of these lines has closed."""
    return text([heartbeat(max(map(received_ms, lines)) + QUIET_MS)]).rstrip()


def _key(line: bytes) -> bytes | None:
    try:
        fields = orjson.loads(line)
        return str(fields.get("decision_id") or fields["message_id"]).encode()
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
