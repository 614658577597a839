"""Sends what waits in an outbox: one thread decides, a few post.

    outbox ──▶ sender thread ──▶ work ──▶ posting threads ──▶ mail ──▶ sender thread ──▶ outbox

Only the sender thread reads and settles, so nothing here needs a lock. Events are taken in their order, round and
round: one that must be sent again waits until the newer ones had their turn, and blocks none of them.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

import numpy as np

from lambda_learner.serve.delivery import Answer, Endpoint, Pauses
from lambda_learner.serve.outbox import Outbox, Waiting

__all__ = ["Sender", "wall_clock_ms"]

_LOG = logging.getLogger(__name__)
_READ_EVENTS: Final = 32  # at once: at most 32 MB of the largest events
_ROUND_EVENTS: Final = 1_000  # then the oldest come again, however many new ones there are
_TICK_S: Final = 1.0  # how often a shared file is looked at for events of other processes, and for its lock
_REASONS: Final = 100  # of refusals that are logged; more are counted only


def wall_clock_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class _Posted(NamedTuple):
    event: Waiting
    answer: Answer
    asked_s: float


class Sender:
    """The threads that send; daemons, so that they hold no program up. `sent`, `refused`, `retried` count answers."""

    def __init__(
        self,
        outbox: Outbox,
        endpoint: Endpoint,
        *,
        connections: int,
        rng: np.random.Generator,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Take the outbox, which is closed at the end, and start."""
        self._outbox, self._endpoint, self._connections, self._now_ms = outbox, endpoint, connections, now_ms
        self._pauses = Pauses(rng)
        self._mail: SimpleQueue[_Posted | None] = SimpleQueue()  # None: look again
        self._work: SimpleQueue[Waiting | None] = SimpleQueue()
        self._ready: deque[Waiting] = deque()
        self._in_flight: set[int] = set()
        self._unsettled: list[_Posted] = []
        self._last_id = 0
        self._left_in_round = _ROUND_EVENTS
        self._turn_s = 0.0  # the time of this turn, the same for all that it decides
        self._leads = self._stopping = self._woken = False
        self._checkpoint_s = time.monotonic()
        self._problem = ""
        self._reasons: set[tuple[int, str]] = set()
        self._left = 0  # at the end
        self.sent = self.refused = self.retried = 0
        self.settled = threading.Condition()  # notified when events are gone from the outbox
        self._thread = threading.Thread(target=self._run, name="tracker", daemon=True)
        self._thread.start()
        for _ in range(connections):
            threading.Thread(target=self._post, name="tracker-post", daemon=True).start()

    def wake(self) -> None:
        """Tell that an event was appended; from any thread, and cheap."""
        if not self._woken:
            self._woken = True
            self._mail.put(None)

    def stop(self, timeout_s: float) -> int:
        """Send nothing more, wait for the requests that are under way, and give how many events are left."""
        self._stopping = True
        self._mail.put(None)
        self._thread.join(max(timeout_s, 0))
        if self._thread.is_alive():
            with suppress(sqlite3.ProgrammingError):  # it has just ended, and closed the outbox
                return self._outbox.waiting()
        return self._left

    def _post(self) -> None:
        while (event := self._work.get()) is not None:
            asked_s = time.monotonic()
            self._mail.put(_Posted(event, self._endpoint.post(event.body), asked_s))

    def _run(self) -> None:
        while self._turn():
            pass
        for _ in range(self._connections):
            self._work.put(None)
        self._endpoint.close()
        with suppress(sqlite3.Error):  # what is not settled is sent again by the next start
            self._left = self._outbox.waiting()
        self._outbox.close()

    def _turn(self) -> bool:
        """Settle what was answered, hand out what can be sent, and wait for something to do; False at the end."""
        try:
            self._settle()
            if self._stopping and not self._in_flight:
                return False
            self._hand_out()
            self._checkpoint()
        except (sqlite3.Error, OSError) as error:  # the disk; what could not be settled stays in flight
            self._note(f"the queue fails ({error})")
            time.sleep(_TICK_S)
            return not self._stopping
        self._collect()
        return True

    def _hand_out(self) -> None:
        self._turn_s = time.monotonic()
        self._leads = self._leads or self._outbox.lead()
        self._woken = not self._may_send()  # nobody need wake who could do nothing
        while self._may_send() and (event := self._next()) is not None:
            self._in_flight.add(event.id)
            self._work.put(event)

    def _may_send(self) -> bool:
        free = len(self._in_flight) < self._connections and not self._stopping
        return free and self._leads and self._turn_s >= self._pauses.until_s

    def _next(self) -> Waiting | None:
        if not self._ready:
            self._read()
        return self._ready.popleft() if self._ready else None

    def _read(self) -> None:
        """Take the next events, or begin with the oldest again; not those in flight."""
        events = self._outbox.after(self._last_id, _READ_EVENTS) if self._left_in_round > 0 else []
        if not events:
            self._left_in_round = _ROUND_EVENTS
            events = self._outbox.after(0, _READ_EVENTS + len(self._in_flight))
        self._left_in_round -= len(events)
        self._last_id = events[-1].id if events else 0
        self._ready.extend(event for event in events if event.id not in self._in_flight)

    def _collect(self) -> None:
        """Wait for mail, and take all there is."""
        try:
            mail = [self._mail.get(timeout=self._wait_s())]
            while not self._mail.empty():
                mail.append(self._mail.get_nowait())
        except Empty:
            return
        for posted in filter(None, mail):
            self._unsettled.append(posted)
            self._take_note(posted)

    def _wait_s(self) -> float | None:
        pause_s = self._pauses.until_s - self._turn_s
        if self._outbox.is_shared:
            return min(pause_s, _TICK_S) if pause_s > 0 else _TICK_S
        return pause_s if pause_s > 0 else None

    def _take_note(self, posted: _Posted) -> None:
        answer = posted.answer
        if answer.verdict == "again":
            self.retried += 1
            self._pauses.failed(posted.asked_s, time.monotonic(), answer.retry_after_s)
            self._note(f"{answer.status or 'no'} answer from {self._endpoint.host} ({answer.message})")
            return
        self._pauses.succeeded()
        if answer.verdict == "delivered":
            self.sent += 1
            self._note("")
        else:
            self.refused += 1
            self._log_refusal(answer)

    def _settle(self) -> None:
        """Take out of the outbox what has its answer; raises sqlite3.Error, and then it is tried again."""
        if not self._unsettled:
            return
        delivered = [posted.event.id for posted in self._unsettled if posted.answer.verdict == "delivered"]
        refused = [(each.event.id, each.answer) for each in self._unsettled if each.answer.verdict == "refused"]
        rows = [(id_, answer.status, answer.message) for id_, answer in refused]
        if delivered or rows:
            self._outbox.settle(delivered, rows, self._now_ms())
        self._in_flight.difference_update(posted.event.id for posted in self._unsettled)
        self._unsettled.clear()
        with self.settled:
            self.settled.notify_all()

    def _checkpoint(self) -> None:
        now_s = time.monotonic()
        if self._leads and now_s - self._checkpoint_s >= _TICK_S:
            self._checkpoint_s = now_s
            self._outbox.checkpoint()

    def _note(self, problem: str) -> None:
        """Log when sending begins to fail and when it works again, not each time in between."""
        if problem and not self._problem:
            _LOG.warning("events wait and will be sent again: %s", problem)
        if not problem and self._problem:
            _LOG.warning("events are sent again")
        self._problem = problem

    def _log_refusal(self, answer: Answer) -> None:
        """Log a reason once: a status and the field that the message begins with."""
        reason = (answer.status, answer.message.partition(" ")[0])
        if reason not in self._reasons and len(self._reasons) < _REASONS:
            self._reasons.add(reason)
            _LOG.error("the endpoint refuses events, which are set aside: %d: %s", answer.status, answer.message)
