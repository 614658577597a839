"""Records of Kinesis: how events and heartbeats become them, how many go into one call, when one is sent again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from jobs.track.waiting import Waiting

__all__ = ["MAX_LINE_BYTES", "Record", "calls", "event_record", "heartbeat_record"]

ANSWER_MS: Final = 5_000  # then a client is told to try again, while it still waits
PAUSE_MS: Final = 100  # before a record is sent again for the first time; each further pause is twice as long
MAX_PAUSE_MS: Final = 1_000  # a shard counts its limits by the second
MAX_CALL_RECORDS: Final = 500  # limits of put_records
MAX_CALL_BYTES: Final = 5 << 20
MAX_LINE_BYTES: Final = (1 << 20) - 1_024  # of a record of 1 MiB, which has its key too


@dataclass(frozen=True, slots=True)
class Record:
    """A record of put_records, who waits for it (nobody for a heartbeat), and when it is sent."""

    entry: dict[str, Any]
    waiting: Waiting | None
    begun_ms: int
    due_ms: int
    pause_ms: int = PAUSE_MS

    @property
    def size(self) -> int:
        """Bytes that count for the limits."""
        return len(self.entry["Data"]) + len(self.entry["PartitionKey"].encode())

    def is_due(self, now_ms: int) -> bool:
        """Whether its pause is over; a clock that was set back ends it too."""
        return not 0 < self.due_ms - now_ms <= MAX_PAUSE_MS

    def is_over(self, now_ms: int) -> bool:
        """Whether it has been tried long enough."""
        return not 0 <= now_ms - self.begun_ms < ANSWER_MS

    def again(self, now_ms: int) -> Record:
        """The same after its pause."""
        return replace(self, due_ms=now_ms + self.pause_ms, pause_ms=min(2 * self.pause_ms, MAX_PAUSE_MS))


def event_record(waiting: Waiting, now_ms: int) -> Record:
    """The line without its newline, partitioned by its key."""
    line, key = waiting.event
    return Record({"Data": line[:-1], "PartitionKey": key}, waiting, now_ms, now_ms)


def heartbeat_record(line: bytes, hash_key: str, now_ms: int) -> Record:
    """A heartbeat for the shard that has the hash key."""
    entry = {"Data": line[:-1], "PartitionKey": "heartbeat", "ExplicitHashKey": hash_key}
    return Record(entry, None, now_ms, now_ms)


def calls(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The records in as few calls as their number and size allow, in their order."""
    call: list[Record] = []
    size = 0
    for record in records:
        if len(call) == MAX_CALL_RECORDS or (call and size + record.size > MAX_CALL_BYTES):
            yield call
            call, size = [], 0
        call.append(record)
        size += record.size
    if call:
        yield call
