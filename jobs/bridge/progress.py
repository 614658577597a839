"""Counts what was copied, and tells it as a line of JSON each ten seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Final

from jobs.bridge.shard_reader import ShardReader
from jobs.bridge.stream import Record

__all__ = ["Progress"]

TELL_MS: Final = 10_000


class Progress:
    """What this run has copied, of which all is committed."""

    def __init__(self, tell: Callable[[str], None], now_ms: int) -> None:
        self._tell, self._told_ms = tell, now_ms
        self.records = self.bytes = self.transactions = 0
        self.shards: dict[str, int | None] = {}

    def copied(self, records: Sequence[Record]) -> None:
        """Count a transaction."""
        self.transactions += 1
        self.records += len(records)
        self.bytes += sum(len(record.data) for record in records)

    def look(self, readers: Collection[ShardReader], now_ms: int) -> None:
        """Look how far the shards are, and tell it when it is time; `null` for a shard that has not answered yet."""
        self.shards = {each.shard.id: each.behind_ms for each in readers}
        self.tell_in_time(now_ms)

    def tell_in_time(self, now_ms: int) -> None:
        """Tell it when it is time, while nothing is copied too."""
        if not 0 <= now_ms - self._told_ms < TELL_MS:
            self.tell(now_ms)

    def tell(self, now_ms: int) -> None:
        """Tell it now."""
        self._told_ms = now_ms
        line = {"time_ms": now_ms, "records": self.records, "bytes": self.bytes, "transactions": self.transactions}
        self._tell(json.dumps({**line, "behind_ms": self.shards}))
