"""An outbox and its sender, for as long as a Tracker lives, and anew in each process that is forked from it."""

from __future__ import annotations

import atexit
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakSet

from lambda_learner.serve.outbox import Outbox, OutboxFull, Refused
from lambda_learner.serve.outbox_file import OutboxError
from lambda_learner.serve.sender import Sender

__all__ = ["FLUSH_S", "Counts", "Mailbox"]

_LOG = logging.getLogger(__name__)
FLUSH_S: Final = 5.0  # of a `close`, and so of the end of a program that calls none
_DROPPED_LOG_S: Final = 60.0
_REOPEN_S: Final = 10.0  # a file that fails is not tried at every call, as that may take seconds
_POLL_S: Final = 0.1  # how often `flush` looks whether another process has sent what waits


class Counts(NamedTuple):
    """What became of events: `waiting` in the queue; the rest since this process opened it.

    `dropped` are those that the queue had no room for or could not write. Where processes share a queue, the one that
    sends for all has counted what was sent.
    """

    waiting: int
    sent: int
    retried: int
    refused: int
    dropped: int


class _Open(NamedTuple):
    """What one process has open; no process forked from it may use or close it."""

    outbox: Outbox
    sender: Sender


class Mailbox:
    """Takes events and has them sent. Thread-safe."""

    def __init__(self, path: Path | None, outbox: Callable[[], Outbox], sender: Callable[[Outbox], Sender]) -> None:
        """Take what opens the queue, and what starts to send from it, and do both."""
        self._path, self._make_outbox, self._make_sender = path, outbox, sender
        self._lock = threading.Lock()
        self._open: _Open | None = None
        self._failed, self._failed_s = "", -_REOPEN_S
        self._is_closed = False
        self._dropped, self._dropped_log_s = 0, -_DROPPED_LOG_S
        _MAILBOXES.add(self)
        self._opened()
        atexit.register(self.close)

    def put(self, body: bytes) -> None:
        """Queue an event, or drop it; RuntimeError when closed."""
        try:
            outbox, sender = self._opened()
            outbox.append(body)
        except (OutboxError, OutboxFull, sqlite3.Error) as error:  # the first in a child that cannot open the file
            self._drop(1, str(error))
        else:
            sender.wake()

    def flush(self, timeout_s: float) -> bool:
        """Wait until no event of before the call waits; whether that was so within the time."""
        return _flush(self._opened(), timeout_s)

    def close(self, timeout_s: float = FLUSH_S) -> None:
        """Flush and end; idempotent. It may take another timeout for the requests that are under way."""
        with self._lock:
            was_open, self._open, self._is_closed = self._open, None, True
        atexit.unregister(self.close)
        if was_open is None:
            return
        with suppress(sqlite3.Error):  # of a file that fails, as `put` has said
            _flush(was_open, timeout_s)
        left = was_open.sender.stop(timeout_s)
        if left and self._path is None:
            self._drop(left, "the queue in memory ends")
        elif left:
            _LOG.warning("%d events wait in %s for the next start", left, self._path)

    @property
    def counts(self) -> Counts:
        """What became of the events; reads the queue."""
        outbox, sender = self._opened()
        return Counts(outbox.waiting(), sender.sent, sender.retried, sender.refused, self._dropped)

    def refused(self) -> list[Refused]:
        """What was refused, oldest first."""
        return self._opened().outbox.refused()

    def resend_refused(self) -> int:
        """Let what was refused wait again; give the number."""
        outbox, sender = self._opened()
        moved = outbox.resend_refused()
        sender.wake()
        return moved

    def before_fork(self) -> None:
        """Have no change of the queue under way."""
        self._lock.acquire()
        if self._open is not None:
            self._open.outbox.before_fork()

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; a child leaves what is the parent's to the parent, and opens its own when it needs it."""
        if self._open is not None:
            outbox = self._open.outbox
            outbox.forget_lead() if in_child else outbox.after_fork()
        if in_child:
            self._open, self._dropped = None, 0
        self._lock.release()

    def _opened(self) -> _Open:
        return self._open or self._reopened()

    def _reopened(self) -> _Open:
        with self._lock:
            if self._is_closed:
                message = "the tracker is closed: make another"
                raise RuntimeError(message)
            if self._open is None:
                outbox = self._made_outbox()
                self._open = _Open(outbox, self._make_sender(outbox))
            return self._open

    def _made_outbox(self) -> Outbox:
        """A new one; OutboxError, and the same again for some seconds, when the file cannot be used."""
        if time.monotonic() - self._failed_s < _REOPEN_S:
            raise OutboxError(self._failed)
        try:
            return self._make_outbox()
        except OutboxError as error:
            self._failed, self._failed_s = str(error), time.monotonic()
            raise

    def _drop(self, number: int, reason: str) -> None:
        with self._lock:
            self._dropped += number
            now_s = time.monotonic()
            if now_s - self._dropped_log_s < _DROPPED_LOG_S:
                return
            self._dropped_log_s = now_s
        _LOG.error("events are dropped, %d so far: %s", self._dropped, reason)


def _flush(opened: _Open, timeout_s: float) -> bool:
    outbox, sender = opened
    give_up_s, last_id = time.monotonic() + timeout_s, outbox.last_id()
    while outbox.waits(last_id):
        left_s = give_up_s - time.monotonic()
        if left_s <= 0:
            return False
        with sender.settled:
            sender.settled.wait(min(left_s, _POLL_S))
    return True


_MAILBOXES: Final[WeakSet[Mailbox]] = WeakSet()
_FORKING: Final[list[Mailbox]] = []
_FORK: Final = threading.Lock()


def _before_fork() -> None:
    _FORK.acquire()
    _FORKING.extend(_MAILBOXES)
    for mailbox in _FORKING:
        mailbox.before_fork()


def _after_fork(*, in_child: bool) -> None:
    for mailbox in _FORKING:
        mailbox.after_fork(in_child=in_child)
    _FORKING.clear()
    _FORK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(in_child=False),
        after_in_child=lambda: _after_fork(in_child=True),
    )
