"""What the bridge writes: a record of the stream, the position of a shard, and who copies the stream."""

from __future__ import annotations

import json
from typing import NamedTuple

from jobs.bridge.errors import BridgeError
from jobs.bridge.positions import Position
from jobs.bridge.stream import Record

__all__ = ["Keys", "Message", "Owner", "record_message"]


class Message(NamedTuple):
    """A record for Kafka, and what it is, for errors. No value deletes what a compacted topic has of the key."""

    topic: str
    key: bytes
    value: bytes | None
    time_ms: int | None = None
    what: str = ""


class Owner(NamedTuple):
    """Who copies a stream: one run of the command, under a transactional id."""

    transactional_id: str
    run: str

    @classmethod
    def of_json(cls, text: bytes) -> Owner:
        """What `to_json` has written; BridgeError for anything else."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            message = f"bridge.positions_topic: {text[:80]!r} names no bridge: give it a topic of its own"
            raise BridgeError(message) from error

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(self._asdict()).encode()


class Keys(NamedTuple):
    """The keys that a stream has in a topic of positions, which may be that of many streams."""

    region: str
    stream: str

    @property
    def owner(self) -> str:
        """Of who copies it."""
        return f"owner {self.region}/{self.stream}"

    def shard(self, name: str) -> str:
        """Of the position of a shard."""
        return f"position {self.region}/{self.stream}/{name}"

    def positions(self, found: dict[str, bytes]) -> dict[str, Position]:
        """The positions by shard, of all that is in the topic."""
        prefix = self.shard("")
        mine = {key: text for key, text in found.items() if key.startswith(prefix)}
        return {key.removeprefix(prefix): Position.of_json(text, key) for key, text in mine.items()}


def record_message(topic: str, record: Record) -> Message:
    """A record as it is: key, bytes, time of arrival."""
    what = f"record {record.number} of shard {record.shard}, {len(record.data)} bytes"
    return Message(topic, record.key.encode(), record.data, record.time_ms, what)
