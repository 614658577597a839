"""Ends what this process has started when this process has ended, by kill -9 too.

A small process of its own is told of each by a pipe, and ends those that are left when the pipe is closed. (Linux alone
has a signal at a parent's death, and sends it when the *thread* that started a process has ended.)
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

__all__ = ["hold", "release"]

GRACE_SECONDS: Final = 5.0  # to end in order
LOOK_SECONDS: Final = 0.1

_lock = threading.Lock()
_keeper: subprocess.Popen[bytes] | None = None


def hold(pid: int) -> None:
    """End this process, which leads a process group, with all of the group when we have ended."""
    with _lock:
        _tell(f"+{pid}\n")


def release(pid: int) -> None:
    """Leave it alone: it has ended. Idempotent."""
    with _lock:
        if _keeper is not None:
            _tell(f"-{pid}\n")


def _tell(line: str) -> None:
    global _keeper  # noqa: PLW0603 - one a process, started when there is something to keep
    if _keeper is None:
        command = [sys.executable, "-I", "-S", __file__]
        # In a session of its own: a terminal's interrupt, or the end of our group, does not reach it.
        _keeper = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(_close, _keeper)
    assert _keeper.stdin is not None
    with suppress(BrokenPipeError):  # somebody has killed it
        os.write(_keeper.stdin.fileno(), line.encode())


def _close(keeper: subprocess.Popen[bytes]) -> None:
    assert keeper.stdin is not None
    keeper.stdin.close()
    with suppress(subprocess.TimeoutExpired):  # it has some to end, which may wait for us in their turn
        keeper.wait(LOOK_SECONDS)


def _keep() -> None:
    """The keeper: learn who is held until the pipe is closed, then end them."""
    held: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            held.add(pid)
        else:
            held.discard(pid)
    _send(held, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while held and time.monotonic() < deadline:
        held = _send(held, 0)
        time.sleep(LOOK_SECONDS)
    _send(held, signal.SIGKILL)


def _send(groups: Iterable[int], number: int) -> set[int]:
    """Send a signal, 0 for none, to process groups; those that are there."""
    there = set()
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            there.add(group)
    return there


if __name__ == "__main__":
    _keep()
