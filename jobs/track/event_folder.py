"""The folder of event files: one writer, one open part, heartbeats and rotation by the time that it is told.

A file ends with a heartbeat when it has been open for `rotate_after_ms` or has grown to `rotate_bytes`, so a
quiet stream closes its windows too. No threads here; `event_log.py` has the one that calls.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.track.part import Part, finish, recover
from lambda_learner.disk import make_folders
from lambda_learner.events.accept import heartbeat_line

__all__ = ["EventFolder", "Rotation", "TrackError"]

_LOCK = ".events.lock"
BEAT_MS = 1_000  # between two heartbeats of a file


class TrackError(RuntimeError):
    """The endpoint can not start, or leaves work to the next start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is complete."""

    after_ms: int = 2_000
    at_bytes: int = 16_777_216


class EventFolder:
    """Appends lines to the open part; `write` and `beat` raise OSError when the disk does, and may be called again."""

    def __init__(self, folder: Path, rotation: Rotation) -> None:
        self._folder, self._rotation = folder, rotation
        self._lock: int | None = None
        self._part: Part | None = None
        self._opened_ms = self._beat_ms = 0
        self._closed: list[tuple[Path, int]] = []  # parts that are not visible yet, and how much of them counts

    def open(self, now_ms: int) -> list[Path]:
        """Take the folder and finish what a crash has left; give the recovered files. Raises TrackError."""
        try:
            make_folders(self._folder)
            self._take()
            recovered = recover(self._folder)
            self._begin(now_ms)
        except OSError as error:
            message = f"cannot write event files to {self._folder} ({error}): set `track.sink.folder` to another"
            raise TrackError(message) from error
        return recovered

    def write(self, lines: bytes, now_ms: int) -> None:
        """Append whole lines; they are on disk when this returns. After an OSError they are not."""
        part = self._part or self._begin(now_ms)
        try:
            part.append(lines)
        except OSError:
            self._end()
            raise

    def beat(self, now_ms: int) -> None:
        """Write the heartbeat that is due, if one is, and make the files that are complete visible."""
        if self._part is None or self._is_complete(self._part, now_ms):
            self._rotate(now_ms)
        elif not 0 <= now_ms - self._beat_ms < BEAT_MS:
            self.write(heartbeat_line(now_ms), now_ms)
            self._beat_ms = now_ms
        self._finish()

    def wait_ms(self, now_ms: int) -> int:
        """How long until `beat` has something to do; after an OSError, until it is worth another attempt."""
        if self._part is None or self._closed:
            return BEAT_MS
        due_ms = min(self._beat_ms + BEAT_MS, self._opened_ms + self._rotation.after_ms)
        return min(max(due_ms - now_ms, 0), BEAT_MS)

    def close(self, now_ms: int) -> None:
        """Make all lines visible and give the folder up."""
        try:
            if self._part is not None:
                with suppress(OSError):  # the lines before it are safe
                    self.write(heartbeat_line(now_ms), now_ms)
                self._end()
            self._finish()
        finally:
            if self._lock is not None:
                os.close(self._lock)

    def _take(self) -> None:
        self._lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another track endpoint writes to {self._folder}: stop it, or give `track.sink.folder` another"
            raise TrackError(message) from error

    def _begin(self, now_ms: int) -> Part:
        self._part = Part(self._folder, now_ms)
        self._opened_ms = self._beat_ms = now_ms
        return self._part

    def _is_complete(self, part: Part, now_ms: int) -> bool:
        age_ms = now_ms - self._opened_ms  # negative when the clock was set back
        return not 0 <= age_ms < self._rotation.after_ms or part.size >= self._rotation.at_bytes

    def _rotate(self, now_ms: int) -> None:
        if self._part is not None:
            self.write(heartbeat_line(now_ms), now_ms)
            self._end()
        self._begin(now_ms)

    def _end(self) -> None:
        if self._part is None:
            return
        part, self._part = self._part, None
        self._closed.append((part.path, part.size))
        part.close()

    def _finish(self) -> None:
        """Make visible what can be; the first OSError is raised when all were tried."""
        failed: list[tuple[tuple[Path, int], OSError]] = []
        for part in self._closed:
            try:
                finish(*part)
            except OSError as error:
                failed.append((part, error))
        self._closed = [part for part, _ in failed]
        if failed:
            raise failed[0][1]
