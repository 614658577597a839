"""The wall clock of a source without end, for producers that write no heartbeats.

The time takes the way of the chunks, behind those handed on before it, and downstream the slowest reader sets the
watermark: so a backlog in the job is never overtaken. One outside of it is: what comes after a pause is late where its
windows have closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from operators.clock import wall_clock_ms

__all__ = ["Quiet", "WallClock"]


@dataclass(frozen=True, slots=True)
class WallClock:
    """Tells each of so many readers the time once nothing has come for `idle_ms`."""

    idle_ms: int
    readers: int = 1
    now_ms: Callable[[], int] = wall_clock_ms


class Quiet:
    """Knows how long nothing has come, for a source with a wall clock."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._since_ms: int | None = None  # in no state: after a restart something may be waiting

    def times(self, now_ms: int, *, is_new: bool) -> Iterator[str]:
        """The time once for each reader, as the stream goes round them, when nothing has come for long."""
        if is_new or self._since_ms is None:
            self._since_ms = now_ms
        if now_ms - self._since_ms >= self._clock.idle_ms:
            yield from [str(now_ms)] * self._clock.readers
