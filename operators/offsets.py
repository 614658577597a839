"""Plans what to read of Kafka next: ranges of offsets, cut at one time across all partitions. No Kafka client here.

A range is immutable, as a piece of a file is, so what is read of it is the same after a failure. Partitions are read
in step: after a pause each range ends at the same time of arrival, or else the partition that is read first would
move the watermark past what the others still hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

__all__ = ["Log", "OffsetRange", "Partition", "Planner", "Until"]

MAX_RECORDS: Final = 10_000  # of one chunk: some MB, half a second of the job's work
_LATEST_MS: Final = 1 << 42  # in the year 2109


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class OffsetRange(NamedTuple):
    """The records of a partition from `start` up to and without `end`."""

    topic: str
    partition: int
    start: int
    end: int


class Log(Protocol):
    """What Kafka says of partitions."""

    def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last record of each."""
        ...

    def at_time(self, partitions: Sequence[Partition], time_ms: int) -> Mapping[Partition, int]:
        """The offset of the first record of each that arrived at the time or later; its end where there is none."""
        ...


class Planner:
    """Gives the next ranges after some positions, at most `max_records` of them together."""

    def __init__(self, log: Log, max_records: int = MAX_RECORDS) -> None:
        self._log, self._max_records = log, max_records
        self._until_ms, self._slice_ms = 0, _LATEST_MS  # where the last cut was, and how long after the one before

    def next(self, positions: Mapping[Partition, int]) -> list[OffsetRange]:
        """The ranges to read next; none when all has been read. Costs a request, after a pause some more."""
        ends = self._log.ends(list(positions))
        behind = {partition: ends[partition] for partition, at in positions.items() if ends[partition] > at}
        if _records(positions, behind) > self._max_records:
            behind = self._in_step(positions, behind)
        return [
            OffsetRange(*partition, positions[partition], end)
            for partition, end in sorted(behind.items())
            if end > positions[partition]
        ]

    def _in_step(self, positions: Mapping[Partition, int], ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where to end so that there are neither too many records nor very few: at the same time in each partition."""
        cut = self._cut(ends)
        while _records(positions, cut) > self._max_records and self._slice_ms > 1:
            self._slice_ms //= 2
            cut = self._cut(ends)
        while _records(positions, cut) == 0 and self._until_ms + self._slice_ms < _LATEST_MS:
            self._until_ms += self._slice_ms
            self._slice_ms *= 2
            cut = self._cut(ends)
        if not 0 < _records(positions, cut) <= self._max_records:
            return self._shares(positions, ends)
        self._until_ms += self._slice_ms
        if _records(positions, cut) < self._max_records // 2:
            self._slice_ms *= 2
        return cut

    def _cut(self, ends: Mapping[Partition, int]) -> dict[Partition, int]:
        found = self._log.at_time(list(ends), self._until_ms + self._slice_ms)
        return {partition: min(found[partition], end) for partition, end in ends.items()}

    def _shares(self, positions: Mapping[Partition, int], ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """Equal numbers, where times of arrival tell nothing: too many records have the same one."""
        share = max(self._max_records // len(ends), 1)
        return {partition: min(positions[partition] + share, end) for partition, end in ends.items()}


class Until:
    """A log of which nothing is read from some positions on."""

    def __init__(self, log: Log, positions: Mapping[Partition, int]) -> None:
        self._log, self._positions = log, positions

    def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Those positions."""
        return {each: self._positions[each] for each in partitions}

    def at_time(self, partitions: Sequence[Partition], time_ms: int) -> Mapping[Partition, int]:
        """As of the log; those positions where it is later."""
        found = self._log.at_time(partitions, time_ms)
        return {each: min(found[each], self._positions[each]) for each in partitions}


def _records(positions: Mapping[Partition, int], ends: Mapping[Partition, int]) -> int:
    return sum(max(end - positions[partition], 0) for partition, end in ends.items())
