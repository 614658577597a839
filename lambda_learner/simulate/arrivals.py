"""Lines in order of arrival, from blocks of lines that arrive some time after they happen; heartbeats."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lambda_learner.simulate.lines import Line, heartbeat_line

__all__ = ["Block", "in_order", "with_heartbeats"]


class Block(NamedTuple):
    """Lines in any order; no later block has a line that arrives before `until_ms`."""

    until_ms: int
    lines: list[Line]


def in_order(blocks: Iterable[Block]) -> Iterator[Line]:
    """Give all lines by (arrival_ms, sequence); holds those that are under way (a reward window's worth)."""
    waiting: list[Line] = []
    for until_ms, lines in blocks:
        waiting += lines
        waiting.sort()  # two sorted runs and a block: close to a merge
        due = bisect_left(waiting, until_ms, key=_arrival_ms)
        yield from waiting[:due]
        del waiting[:due]
    yield from waiting


def with_heartbeats(lines: Iterable[Line], *, every_ms: int) -> Iterator[Line]:
    """Give the lines and, between the first and the last, a heartbeat at every multiple of `every_ms`."""
    beat_ms = 0
    for line in lines:
        beat_ms = beat_ms or (line.arrival_ms // every_ms + 1) * every_ms
        while beat_ms <= line.arrival_ms:
            yield heartbeat_line(beat_ms, 0)
            beat_ms += every_ms
        yield line


def _arrival_ms(line: Line) -> int:
    return line.arrival_ms
