"""The sink: lines wait in a bounded queue, one thread writes what has gathered, and then they are durable.

    append ──▶ waiting lines ──▶ writer thread: one write and one fsync for all of them ──▶ futures

While the disk is busy with one group the next one gathers, so the more requests there are, the fewer fsyncs each
costs. A disk error fails the group that met it; the thread goes on trying.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from jobs.track.event_folder import EventFolder, TrackError
from jobs.track.sink import NotStoredError
from lambda_learner.events.accept import Stored
from operators.clock import wall_clock_ms

__all__ = ["EventLog"]

_LOG = logging.getLogger(__name__)
LINE_BYTES = 1_000  # what a waiting line holds besides its bytes: the future and the request that waits for it
_BUG = "the event log has failed"
MAX_WAITING_BYTES = 64 << 20  # some seconds of what the endpoint can take; more is refused, not kept


class _Waiting(NamedTuple):
    line: bytes
    stored: Future[None]

    @property
    def size(self) -> int:
        return len(self.line) + LINE_BYTES


class EventLog:
    """Takes lines from any thread; `problem` says why the disk takes none, while it takes none.

    When a bug ends the writer thread, every line is refused, `on_bug` is called, and `close` raises the bug.
    """

    def __init__(
        self,
        folder: EventFolder,
        *,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        now_ms: Callable[[], int] = wall_clock_ms,
        on_bug: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder, self._max_waiting_bytes, self._now_ms, self._on_bug = folder, max_waiting_bytes, now_ms, on_bug
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0  # of the lines that are not answered, those being written too
        self._closed = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="event-log")
        self._bug: Exception | None = None
        self.problem: str | None = None

    def open(self) -> int:
        """Recover what a crash has left and begin to write; give the number of recovered files. Raises TrackError."""
        recovered = self._folder.open(self._now_ms())
        self._closed = False
        self._thread.start()
        return len(recovered)

    def append(self, event: Stored) -> Future[None]:
        """A future that is done when the line is durable, and fails with NotStoredError; raises it when full."""
        waiting = _Waiting(event.line, Future())
        waiting.stored.set_running_or_notify_cancel()  # what is written cannot be cancelled
        with self._changed:
            if self._closed:
                message = "the event log is closed"
                raise NotStoredError(message)
            if self._waiting_bytes + waiting.size > self._max_waiting_bytes:
                message = f"more than {self._max_waiting_bytes} bytes of events wait to be stored"
                raise NotStoredError(message)
            self._waiting.append(waiting)
            self._waiting_bytes += waiting.size
            self._changed.notify()
        return waiting.stored

    def close(self) -> None:
        """Store what waits and make all lines visible; TrackError when that is left to the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        try:
            self._folder.close(self._now_ms())
        except OSError as error:
            message = f"the last event file is not visible yet ({error}): the next start will finish it"
            raise TrackError(message) from error
        if self._bug is not None:
            raise self._bug

    def _run(self) -> None:
        try:
            while (group := self._gathered()) is not None:
                not_stored = self._store(group)
                not_visible = self._attempt(lambda: self._folder.beat(self._now_ms()))
                self._note(not_stored or not_visible)
        except Exception as bug:  # `close` raises it; until then nobody waits for ever
            self._bug, self.problem = bug, _BUG
            with self._changed:
                self._closed = True
                left, self._waiting = self._waiting, []
            self._answer(left, _BUG)
            self._on_bug()

    def _gathered(self) -> list[_Waiting] | None:
        """The lines that have gathered, none when only time has passed; None at the end."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(self._folder.wait_ms(self._now_ms()) / 1000)
            group, self._waiting = self._waiting, []
            return None if self._closed and not group else group

    def _store(self, group: list[_Waiting]) -> str | None:
        """Write the lines and answer; give what was wrong, if something was."""
        problem: str | None = _BUG
        try:
            lines = b"".join(waiting.line for waiting in group)
            problem = self._attempt(lambda: self._folder.write(lines, self._now_ms())) if lines else None
        finally:
            self._answer(group, problem)
        return problem

    def _attempt(self, action: Callable[[], None]) -> str | None:
        try:
            action()
        except OSError as error:
            return str(error)
        return None

    def _answer(self, group: list[_Waiting], problem: str | None) -> None:
        with self._changed:
            self._waiting_bytes -= sum(waiting.size for waiting in group)
        for waiting in group:
            if problem is None:
                waiting.stored.set_result(None)
            else:
                waiting.stored.set_exception(NotStoredError(problem))

    def _note(self, problem: str | None) -> None:
        """Log when the disk begins to fail and when it is well again, not each time in between."""
        if problem is not None and self.problem is None:
            _LOG.error("events cannot be stored or made visible, and will be tried again: %s", problem)
        if problem is None and self.problem is not None:
            _LOG.warning("events are stored and made visible again")
        self.problem = problem
