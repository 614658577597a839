"""Opening the database of an outbox (outbox.py): the tables, and whose file it is."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

__all__ = ["LOG_BYTES", "OutboxError", "Sync", "connect", "take_lead"]

Sync: TypeAlias = Literal["normal", "full"]

_BUSY_S: Final = 5.0  # how long a call waits for another process to end its write, some ms as a rule
_AGAIN_S: Final = 0.02
LOG_BYTES: Final = 16 << 20  # of the write-ahead log: over that it begins anew, and the file is cut to it
_APPLICATION: Final = 0x4C4C4F42  # "LLOB", so that no other program's database is written to
_VERSION: Final = 1
_SCHEMA: Final = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS refused (
        id INTEGER PRIMARY KEY, status INTEGER NOT NULL, message TEXT NOT NULL, refused_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    PRAGMA application_id = {_APPLICATION};
    PRAGMA user_version = {_VERSION};
    COMMIT;
"""
# Closing any descriptor of a file gives up all locks that the process has on it, so none is open while one is made.
_MAKING: Final = threading.Lock()


class OutboxError(RuntimeError):
    """The queue's file cannot be used; the message says why and what to do."""


def connect(path: Path | None, sync: Sync) -> sqlite3.Connection:
    """Open or make an outbox, in memory without a path; raises OutboxError. The file is its owner's only."""
    if path is None:
        return _prepared(_open(":memory:"), sync)
    try:
        with _MAKING:
            _make(path)
        return _when_free(path, sync)
    except (sqlite3.Error, OSError) as error:
        message = f"queue {path} cannot be used ({error}): name a file that may be written, on a local disk"
        raise OutboxError(message) from error


def take_lead(path: Path) -> int | None:
    """A descriptor whose lock makes its holder the one that sends, until all copies are closed; None if another has it.

    A fork copies it, so the child must close its own.
    """
    descriptor = os.open(f"{path}-sender", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _when_free(path: Path, sync: Sync) -> sqlite3.Connection:
    """Open the file; while others make or recover it, SQLite may say that it is locked without waiting."""
    give_up_s = time.monotonic() + _BUSY_S
    while True:
        connection = _open(str(path))
        try:
            _check_owner(connection, path)
            return _prepared(connection, sync)
        except sqlite3.OperationalError:
            connection.close()
            if time.monotonic() > give_up_s:
                raise
            time.sleep(_AGAIN_S)
        except BaseException:
            connection.close()
            raise


def _open(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # first: ours come with the marks
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION and tables:
        message = f"queue {path} is the database of another program: name another file"
        raise OutboxError(message)
    if version > _VERSION:
        message = f"queue {path} was written by a newer version (format {version}, this one reads {_VERSION}): update"
        raise OutboxError(message)


def _prepared(connection: sqlite3.Connection, sync: Sync) -> sqlite3.Connection:
    for setting in (
        "journal_mode = WAL",
        f"synchronous = {sync.upper()}",
        "wal_autocheckpoint = 0",  # the sender does it, apart from the calls that append
        f"journal_size_limit = {LOG_BYTES}",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()
    with closing(connection.cursor()) as cursor:
        cursor.executescript(_SCHEMA)
    return connection
