"""Events that wait to be sent, and those that the endpoint refused: an SQLite database, in a file or in memory.

Any thread of any process may append to one file. One process sends: the one that holds the lock of the file
PATH-sender, which the system gives back when the process ends, however it ends.

    waiting   id, body                                 what must still be sent, in the order it was appended
    refused   id, body, status, message, refused_ms    the newest, so many and so large

A commit writes to SQLite's write-ahead log. With `sync` "normal" it is safe from the end of the process, kill -9
too, but a power cut or a crash of the machine may take what came since the last checkpoint, which the one that sends
makes each second; with "full" each append waits for the disk. The log needs shared memory: no network file system.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from lambda_learner.serve.outbox_file import LOG_BYTES, OutboxError, Sync, connect, take_lead

__all__ = ["Outbox", "OutboxFull", "Refused", "Waiting"]

_LOG = logging.getLogger(__name__)
MAX_REFUSED: Final = 1_000  # enough to see what is wrong
_UNMEASURED_SHARE: Final = 8  # measuring is a third of an append's cost, so it is done when it may matter
_REFUSED_SHARE: Final = 4  # refused events take at most a fourth of the room
# Keeps the newest refused events, so many and of so many bytes.
_TRIM: Final = """
    DELETE FROM refused WHERE id <= (
        SELECT max(id) FROM (
            SELECT id, row_number() OVER newest AS place, sum(length(body)) OVER newest AS bytes
            FROM refused WINDOW newest AS (ORDER BY id DESC)
        ) WHERE place > ? OR bytes > ?
    )
"""


class OutboxFull(RuntimeError):
    """There is no room for another event."""


class Waiting(NamedTuple):
    """An event that must still be sent."""

    id: int
    body: bytes


class Refused(NamedTuple):
    """An event that the endpoint will not take, its answer, and when that was."""

    body: bytes
    status: int
    message: str
    refused_ms: int


class Outbox:
    """The queue of one process; thread-safe. Its calls raise sqlite3.Error when the disk or the file fails."""

    def __init__(self, path: Path | None, *, max_bytes: int, sync: Sync = "normal") -> None:
        """Open or make the file, or a queue in memory; raises OutboxError. It takes about `max_bytes`."""
        self._path, self._max_bytes, self._sync = path, max_bytes, sync
        self._lock = threading.Lock()  # of every write, and of the connection that appends
        self._sender_lock = threading.Lock()  # of the connection that sends; taken before the other
        self._unmeasured_bytes = 0
        self._leader: int | None = None
        self._appender, self._sender = self._opened()
        self._page_bytes: int = self._appender.execute("PRAGMA page_size").fetchone()[0]

    @property
    def is_shared(self) -> bool:
        """Whether other processes may append too."""
        return self._path is not None

    def append(self, body: bytes) -> None:
        """Add an event; raises OutboxFull. Durable as `sync` says when this returns."""
        with self._lock:
            if len(body) > self._unmeasured_bytes:
                self._measure(len(body))
            self._unmeasured_bytes -= len(body)
            self._appender.execute("INSERT INTO waiting (body) VALUES (?)", (body,))

    def lead(self) -> bool:
        """Whether this process is the one that sends; tries to become it. The sender's thread only."""
        with self._sender_lock:
            if self._path is not None and self._leader is None:
                self._leader = take_lead(self._path)
            return self._path is None or self._leader is not None

    def after(self, last_id: int, limit: int) -> list[Waiting]:
        """The oldest events after an id."""
        with self._sender_lock:
            query = "SELECT id, body FROM waiting WHERE id > ? ORDER BY id LIMIT ?"
            return [Waiting(*row) for row in self._sender.execute(query, (last_id, limit))]

    def settle(self, delivered: Iterable[int], refused: Sequence[tuple[int, int, str]], now_ms: int) -> None:
        """Forget what was delivered, and set aside what was refused: (id, status, message). Idempotent."""
        with self._sender_lock, self._lock, self._sender as database:
            database.execute("BEGIN IMMEDIATE")
            for id_, status, message in refused:
                move = "INSERT INTO refused (body, status, message, refused_ms) SELECT body, ?, ?, ? FROM waiting"
                database.execute(f"{move} WHERE id = ?", (status, message, now_ms, id_))
            gone = [*delivered, *(id_ for id_, _, _ in refused)]
            database.executemany("DELETE FROM waiting WHERE id = ?", [(id_,) for id_ in gone])
            if refused:
                database.execute(_TRIM, (MAX_REFUSED, self._max_bytes // _REFUSED_SHARE))

    def last_id(self) -> int:
        """The id of the newest event that waits, 0 when none does."""
        return self._number("SELECT coalesce(max(id), 0) FROM waiting")

    def waits(self, last_id: int) -> bool:
        """Whether an event up to an id still waits."""
        return bool(self._number("SELECT EXISTS (SELECT 1 FROM waiting WHERE id <= ?)", last_id))

    def waiting(self) -> int:
        """How many events wait; reads all of them, while appends go on."""
        with self._sender_lock:
            return int(self._sender.execute("SELECT count(*) FROM waiting").fetchone()[0])

    def refused(self) -> list[Refused]:
        """The events that were refused, oldest first."""
        with self._lock:
            query = "SELECT body, status, message, refused_ms FROM refused ORDER BY id"
            return [Refused(*row) for row in self._appender.execute(query)]

    def resend_refused(self) -> int:
        """Let the refused events wait again; give their number."""
        with self._lock, self._appender as database:
            database.execute("BEGIN IMMEDIATE")
            moved = database.execute("INSERT INTO waiting (body) SELECT body FROM refused ORDER BY id").rowcount
            database.execute("DELETE FROM refused")
            return moved

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the database while appends go on; they wait only where it has grown long.

        The log begins anew only when all of it is in the database, which never comes true while appends go on.
        """
        if self._path is None:
            return
        with self._sender_lock:
            _, log_pages, _ = self._sender.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if log_pages * self._page_bytes > LOG_BYTES:
                with self._lock:  # little is left to do
                    self._sender.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def close(self) -> None:
        """Give the file up. The sender's thread calls it, as its last act."""
        with self._sender_lock, self._lock:
            self._close()
            self.forget_lead()

    def before_fork(self) -> None:
        """Let no call be under way, and close the file.

        A child that has SQLite's memory of a file, but not the locks that go with it, would damage the file.
        """
        self._sender_lock.acquire()
        self._lock.acquire()
        if self._path is not None:
            self._close()

    def after_fork(self) -> None:
        """Go on, in the parent only; a child calls `forget_lead` and nothing else."""
        try:
            if self._path is not None:
                self._appender, self._sender = self._opened()
        except OutboxError as error:  # raised by a hook it would be lost; now each append is dropped, and logged
            _LOG.error("after a fork: %s", error)
        finally:
            self._lock.release()
            self._sender_lock.release()

    def forget_lead(self) -> None:
        """Close this process's copy of the lock."""
        if self._leader is not None:
            os.close(self._leader)
            self._leader = None

    def _opened(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        """The connections that append and send.

        They are two, so that no append waits while the log is brought into the database. The one that sends need not
        sync: what it forgets to have sent is sent again.
        """
        appender = connect(self._path, self._sync)
        return appender, appender if self._path is None else connect(self._path, "normal")

    def _close(self) -> None:
        self._sender.close()
        self._appender.close()

    def _measure(self, wanted_bytes: int) -> None:
        """Raise OutboxFull without room for so many bytes; else let an eighth of the room be taken unmeasured."""
        pages = self._appender.execute("PRAGMA page_count").fetchone()[0]
        free = self._appender.execute("PRAGMA freelist_count").fetchone()[0]
        room_bytes = self._max_bytes - int(pages - free) * self._page_bytes
        if wanted_bytes > room_bytes:
            message = f"the queue holds {self._max_bytes} bytes (max_queue_bytes)"
            raise OutboxFull(message)
        self._unmeasured_bytes = max(room_bytes // _UNMEASURED_SHARE, wanted_bytes)

    def _number(self, query: str, *values: int) -> int:
        with self._lock:
            return int(self._appender.execute(query, values).fetchone()[0])
