"""The sink of event files: one write and one fsync for all lines that have gathered, and then they are durable.

A disk error fails the group that met it; what could not be made visible is tried again.
"""

from __future__ import annotations

from collections.abc import Callable

from jobs.track.event_folder import EventFolder, TrackError
from jobs.track.queued import Answer
from jobs.track.waiting import Waiting

__all__ = ["EventLog"]


class EventLog:
    """The storage of event files, for a QueuedSink."""

    def __init__(self, folder: EventFolder) -> None:
        self._folder = folder
        self._answer: Answer
        self._not_stored: str | None = None

    def open(self, answer: Answer, now_ms: int) -> str:
        """Take the folder and recover what a crash has left; say so. Raises TrackError."""
        self._answer = answer
        recovered = self._folder.open(now_ms)
        return f"files recovered from an interrupted run: {len(recovered)}" if recovered else ""

    def store(self, group: list[Waiting], now_ms: int) -> None:
        """Write the lines, and answer."""
        lines = b"".join(waiting.event.line for waiting in group)
        self._not_stored = _attempt(lambda: self._folder.write(lines, now_ms))
        self._answer(group, self._not_stored)

    def beat(self, now_ms: int) -> str | None:
        """Write the heartbeat that is due, and make complete files visible."""
        not_stored, self._not_stored = self._not_stored, None
        not_visible = _attempt(lambda: self._folder.beat(now_ms))
        return not_stored or not_visible

    def wait_ms(self, now_ms: int) -> int:
        """As the folder says."""
        return self._folder.wait_ms(now_ms)

    def close(self, now_ms: int) -> None:
        """Make all lines visible; TrackError when that is left to the next start."""
        try:
            self._folder.close(now_ms)
        except OSError as error:
            message = f"the last event file is not visible yet ({error}): the next start will finish it"
            raise TrackError(message) from error


def _attempt(action: Callable[[], None]) -> str | None:
    try:
        action()
    except OSError as error:
        return str(error)
    return None
