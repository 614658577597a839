"""The access log: a line of JSON for each request, without its body, its key and its query.

    observer: a line ──▶ buffer ──▶ writer thread, each second or 256 KiB ──▶ descriptor

What the descriptor does not take, a pipe that nobody reads or a full disk, fills the buffer and is then dropped and
counted, and never keeps a request waiting.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Final, Self

import orjson

from jobs.track.outcome import Outcome
from operators.clock import wall_clock_ms

__all__ = ["AccessLog", "render", "standard_output"]

_LOG = logging.getLogger(__name__)
FLUSH_SECONDS: Final = 1.0
FLUSH_BYTES: Final = 256 << 10  # smaller writes, each by another thread, take more of the processor
MAX_BYTES: Final = 4 << 20  # of lines that wait: seconds of what the endpoint can take
CLOSE_SECONDS: Final = 2.0  # for the last lines, when the endpoint ends and the descriptor may take none
MAX_PATH: Final = 1_000  # characters; the server takes paths of 64 KiB
_ASCII: Final = json.JSONEncoder(separators=(",", ":"))  # escapes what orjson does not: all that is no ASCII


class AccessLog:
    """Observes outcomes within its context; a call costs microseconds and never waits for the descriptor.

    The descriptor is its own, and closed at the end.
    """

    def __init__(
        self, descriptor: int, *, max_bytes: int = MAX_BYTES, now_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        self._descriptor, self._max_bytes, self._now_ms = descriptor, max_bytes, now_ms
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._bytes = self._dropped = 0
        self._torn = self._failing = self._ended = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)

    def __call__(self, outcome: Outcome) -> None:
        """Keep the line of a request for the writer, or drop and count it when too many wait."""
        line = render(outcome, self._now_ms())
        with self._lock:
            if self._bytes + len(line) > self._max_bytes:
                self._dropped += 1
                return
            self._lines.append(line)
            self._bytes += len(line)
            full = self._bytes >= FLUSH_BYTES > self._bytes - len(line)
        if full:
            self._wake.set()

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, unless the descriptor takes nothing for two seconds."""
        self._ended = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            while not self._ended:
                self._wake.wait(FLUSH_SECONDS)
                self._wake.clear()
                self._flush()
            self._flush()
        finally:
            os.close(self._descriptor)  # here, as nobody else knows that no write is under way

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            dropped, self._dropped = self._dropped, 0
        taken = sum(map(len, lines))
        if dropped:
            lines.append(_encoded({"time": _time(self._now_ms()), "dropped_lines": dropped}))
        left = self._write(b"".join(lines))
        with self._lock:
            self._bytes -= taken
            if left:
                self._dropped += dropped + left - bool(dropped)  # the line that tells of them is none of them

    def _write(self, data: bytes) -> int:
        """Write; give the number of lines that the descriptor does not take."""
        if not data:
            return 0
        lines, data = data.count(b"\n"), b"\n" * self._torn + data
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._note(error)
        else:
            self._note(None)
        if len(rest) == len(data):
            return lines
        self._torn = not data[: len(data) - len(rest)].endswith(b"\n")
        return bytes(rest).count(b"\n")

    def _note(self, error: OSError | None) -> None:
        """Log the first failure, not each."""
        if error and not self._failing:
            _LOG.error("lines of the access log are dropped, as they cannot be written: %s", error)
        self._failing = error is not None


def standard_output() -> int:
    """A new descriptor of standard output; of nothing when the process was started without one.

    Then the number 1 is that of another file, which must not be written to.
    """
    return os.open(os.devnull, os.O_WRONLY) if sys.stdout is None else os.dup(sys.stdout.fileno())


def render(outcome: Outcome, now_ms: int) -> bytes:
    """The line of a request: printable ASCII whatever the client has sent, with its newline."""
    path = outcome.path if len(outcome.path) <= MAX_PATH else outcome.path[: MAX_PATH - 1] + "…"
    fields = {
        "time": _time(now_ms),
        "method": outcome.method,
        "path": path,
        "status": outcome.status,
        "reason": outcome.reason,
        "project": outcome.project,
        "bytes": outcome.bytes_read,
        "ms": round(outcome.seconds * 1000, 3),
    }
    return _encoded(fields, ascii_only=path.isascii() and outcome.method.isascii())


def _encoded(fields: Mapping[str, object], *, ascii_only: bool = True) -> bytes:
    line = orjson.dumps(fields) if ascii_only else _ASCII.encode(fields).encode()
    return line.replace(b"\x7f", b"\\u007f") + b"\n"


def _time(now_ms: int) -> str:
    return f"{_second(now_ms // 1000)}.{now_ms % 1000:03d}Z"


@lru_cache(maxsize=1)
def _second(now_s: int) -> str:
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
