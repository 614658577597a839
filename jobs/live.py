"""Writes a simulated log in real time: a file a second, each ending with a heartbeat."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from jobs.event_files import Sink, new_file
from lambda_learner.simulate.lines import MS, Line, heartbeat_line
from lambda_learner.simulate.truth import Truth
from operators.clock import wall_clock_ms

__all__ = ["write_live"]

_NEVER: Final = Line(1 << 62, 0, "bad", b"")  # stands behind the last line


def write_live(
    lines: Iterator[Line], sink: Sink, truth: Truth, *, stop: threading.Event, seconds: float | None = None
) -> int:
    """Write each line in the second that it arrives in; give the number of lines, heartbeats included.

    Ends when `stop` is set, after `seconds`, or without them when the lines are used up; never within a
    second, so `truth` knows exactly what was written. Too slow a disk delays lines, and drops none.
    """
    first_ms = beat_ms = (wall_clock_ms() // MS + 1) * MS
    number = 0
    upcoming = chain(lines, [_NEVER])
    line = next(upcoming)
    while not stop.wait(max(beat_ms - wall_clock_ms(), 0) / MS):
        due: list[Line] = []
        while line.arrival_ms < beat_ms:
            due.append(line)
            line = next(upcoming)
        due.append(heartbeat_line(beat_ms, 0))
        with new_file(sink.path(_text(beat_ms))) as out:
            number += sink.put(due, out)
        for each in due:
            truth.add(each)
        beat_ms += MS
        if line is _NEVER if seconds is None else beat_ms - first_ms >= seconds * MS:
            break
    return number


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / MS, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
