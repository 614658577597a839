"""Ports for servers that must be told theirs before they bind it."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import ExitStack
from typing import Final

__all__ = ["LOOPBACK", "free_port", "free_ports"]

LOOPBACK: Final = "127.0.0.1"

# Below the ports that Linux (32768 on) and macOS (49152 on) give to outgoing connections: a port found free in
# their range may be some connection's own a second later, when the server is ready to bind it.
_RANGE: Final = range(20_000, 32_768)


def free_ports(number: int) -> list[int]:
    """Different ports of the loopback interface that nothing has now; OSError when there are not as many."""
    with ExitStack() as stack:
        found: list[int] = []
        for port in random.sample(_RANGE, len(_RANGE)):
            if len(found) == number:
                return found
            if _binds(stack.enter_context(socket.socket()), port):
                found.append(port)
    raise OSError(errno.EADDRINUSE, f"no {number} free ports of {LOOPBACK} from {_RANGE.start} to {_RANGE.stop}")


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def _binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((LOOPBACK, port))
    except OSError:
        return False
    return True
