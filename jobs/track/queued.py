"""The part that all sinks share: events wait in a bounded queue, and one thread hands what has gathered to a storage.

    append ──▶ waiting events ──▶ thread: store(group), beat() ──▶ storage ──▶ answer

While the storage is busy with one group the next one gathers, so the more requests there are, the less each costs.
A storage that fails answers the group that met it; the thread goes on trying.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol, TypeAlias

from jobs.track.waiting import MAX_WAITING_BYTES, Waiting, WaitingEvents
from lambda_learner.events.accept import Stored
from operators.clock import wall_clock_ms

__all__ = ["Answer", "QueuedSink", "Storage"]

_LOG = logging.getLogger(__name__)
_BUG = "the sink has failed"
_CLOSED = "the sink has been closed"

Answer: TypeAlias = Callable[[Iterable[Waiting], str | None], None]  # durable, or why not; from any thread


class Storage(Protocol):
    """Where groups of events become durable; `open` and `close` but for one thread, which calls all else."""

    def open(self, answer: Answer, now_ms: int) -> str:
        """Begin; what the operator should know of it, or "". Raises TrackError."""
        ...

    def store(self, group: list[Waiting], now_ms: int) -> None:
        """Make events durable, and answer each, now or later."""
        ...

    def beat(self, now_ms: int) -> str | None:
        """Do what is due, heartbeats among it; say why nothing is durable, while that is so."""
        ...

    def wait_ms(self, now_ms: int) -> int:
        """How long `beat` need not be called."""
        ...

    def close(self, now_ms: int) -> None:
        """Answer what is not answered, and end. Raises TrackError."""
        ...


class QueuedSink:
    """A sink on a storage; `problem` says why nothing is stored, while nothing is.

    When a bug ends the thread, every event is refused, `on_bug` is called, and `close` raises the bug.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        now_ms: Callable[[], int] = wall_clock_ms,
        on_bug: Callable[[], None] = lambda: None,
    ) -> None:
        self._storage, self._now_ms, self._on_bug = storage, now_ms, on_bug
        self._waiting = WaitingEvents(max_waiting_bytes)
        self._thread = threading.Thread(target=self._run, name="sink")
        self._bug: Exception | None = None
        self.problem: str | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait to be durable."""
        return self._waiting.waiting_bytes

    @property
    def waiting_events(self) -> int:
        """Events that wait to be durable."""
        return self._waiting.waiting_events

    def open(self) -> str:
        """Begin to store; what the operator should know of it, or "". Raises TrackError."""
        told = self._storage.open(self._waiting.answer, self._now_ms())
        self._waiting.open()
        self._thread.start()
        return told

    def append(self, event: Stored) -> Future[None]:
        """A future that is done when the event is durable, and fails with NotStoredError; raises it when full."""
        return self._waiting.append(event)

    def close(self) -> None:
        """Store what waits, and end; everything is answered then. Raises TrackError when the storage does."""
        self._waiting.close()
        self._thread.join()
        try:
            self._storage.close(self._now_ms())
        finally:
            self._waiting.refuse_all(_CLOSED)
        if self._bug is not None:
            raise self._bug

    def _run(self) -> None:
        try:
            while (group := self._waiting.gather(self._storage.wait_ms(self._now_ms()) / 1000)) is not None:
                if group:
                    self._storage.store(group, self._now_ms())
                self._note(self._storage.beat(self._now_ms()))
        except Exception as bug:  # `close` raises it; until then nobody waits for ever
            self._bug, self.problem = bug, _BUG
            self._waiting.refuse_all(_BUG)
            self._on_bug()

    def _note(self, problem: str | None) -> None:
        """Log when the storage begins to fail and when it is well again, not each time in between."""
        if problem is not None and self.problem is None:
            _LOG.error("events cannot be stored or made visible, and will be tried again: %s", problem)
        if problem is None and self.problem is not None:
            _LOG.warning("events are stored and made visible again")
        self.problem = problem
