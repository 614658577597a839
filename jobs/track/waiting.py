"""The events that wait to be durable: bounded, gathered in groups by one thread, each answered once."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from jobs.track.sink import NotStoredError
from lambda_learner.events.accept import Stored

__all__ = ["LINE_BYTES", "MAX_WAITING_BYTES", "Waiting", "WaitingEvents"]

LINE_BYTES: Final = 1_000  # what a waiting line holds besides its bytes: the future and the request that waits for it
MAX_WAITING_BYTES: Final = 64 << 20  # some seconds of what the endpoint can take; more is refused, not kept


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """An event and who waits for it; two of one content are two."""

    event: Stored
    stored: Future[None] = field(default_factory=Future)

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits."""
        return len(self.event.line) + LINE_BYTES


class WaitingEvents:
    """Takes events from any thread until `close`; what was gathered counts until it is answered."""

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._gathering: list[Waiting] = []
        self._unanswered: set[Waiting] = set()
        self._closed = True
        self._changed = threading.Condition()
        self.waiting_bytes = 0

    @property
    def waiting_events(self) -> int:
        """How many are not answered yet, those that are being stored too."""
        return len(self._unanswered)

    def open(self) -> None:
        """Take events from now on."""
        self._closed = False

    def append(self, event: Stored) -> Future[None]:
        """A future that `answer` completes; raises NotStoredError when too much waits, or nothing is taken."""
        waiting = Waiting(event)
        waiting.stored.set_running_or_notify_cancel()  # what is being stored cannot be cancelled
        with self._changed:
            if self._closed:
                message = "the sink is closed"
                raise NotStoredError(message)
            if self.waiting_bytes + waiting.size > self._max_bytes:
                message = f"more than {self._max_bytes} bytes of events wait to be stored"
                raise NotStoredError(message)
            self._gathering.append(waiting)
            self._unanswered.add(waiting)
            self.waiting_bytes += waiting.size
            self._changed.notify()
        return waiting.stored

    def gather(self, seconds: float) -> list[Waiting] | None:
        """What has come since the last call; none when only time has passed, and None when no more will come."""
        with self._changed:
            if not self._gathering and not self._closed:
                self._changed.wait(seconds)
            group, self._gathering = self._gathering, []
            return None if self._closed and not group else group

    def answer(self, group: Iterable[Waiting], problem: str | None = None) -> None:
        """Say that events are durable, or why they are not; what was answered before keeps that answer."""
        with self._changed:
            answered = [waiting for waiting in group if waiting in self._unanswered]
            self._unanswered.difference_update(answered)
            self.waiting_bytes -= sum(waiting.size for waiting in answered)
        for waiting in answered:
            if problem is None:
                waiting.stored.set_result(None)
            else:
                waiting.stored.set_exception(NotStoredError(problem))

    def close(self) -> None:
        """Take no more; what has been taken can still be gathered and answered."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def refuse_all(self, problem: str) -> None:
        """Take no more, and answer all that is left."""
        self.close()
        with self._changed:
            self._gathering = []
            left = list(self._unanswered)
        self.answer(left, problem)
