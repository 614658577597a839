"""How far each shard is copied: the rule of what a position says, and its form in the topic of positions."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict, dataclass
from typing import Any

from jobs.bridge.errors import BridgeError

__all__ = ["Position"]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a shard is copied.

    `shard_from` is the shard's own first sequence number, which tells it from the shard of that name in a stream that
    was made anew. `after` is the sequence number of the last record that was copied; before there is one, reading
    begins at `since_ms`, or without that at the oldest record. All that arrived before `read_until_ms` is copied.
    """

    shard_from: str
    after: str | None = None
    since_ms: int | None = None
    read_until_ms: int | None = None
    finished: bool = False

    @classmethod
    def of_json(cls, text: bytes, key: str) -> Position:
        """What `to_json` has written; BridgeError for anything else."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            message = (
                f"bridge.positions_topic: at key {key} is no position, but {text[:80]!r}: give it a topic of its own"
            )
            raise BridgeError(message) from error

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode()

    @property
    def iterator(self) -> dict[str, Any]:
        """The arguments of an iterator that goes on from here."""
        if self.after is not None:
            return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": self.after}
        if self.since_ms is not None:
            since = datetime.datetime.fromtimestamp(self.since_ms / 1000, datetime.UTC)
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": since}
        return {"ShardIteratorType": "TRIM_HORIZON"}

    def __str__(self) -> str:
        """For messages."""
        if self.finished:
            return "its end"
        return f"after sequence number {self.after}" if self.after else "its beginning"
