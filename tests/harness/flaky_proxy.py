"""A road to a server that can be closed for repair: passes bytes on, slowly, or answers 503 itself; loopback only."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from typing import Final, Literal, Self

from jobs.ports import LOOPBACK

__all__ = ["FlakyProxy"]

Mode = Literal["pass", "slow", "unavailable"]
SLOW_SECONDS: Final = 2.0  # before each piece of an answer
PIECE_BYTES: Final = 1 << 16
BODY: Final = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
ANSWER: Final = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class FlakyProxy:
    """Passes connections on to a port. Those that are open when the mode changes are cut."""

    def __init__(self, target: int) -> None:
        """Take the server's port; nothing is passed on before the context begins."""
        self._target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self._mode: Mode = "pass"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.refused = 0  # requests that were answered 503

    @property
    def address(self) -> str:
        """What clients call."""
        return f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Begin to take connections."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take none any more, and cut those that are open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or accept would wait on
        self._listener.close()
        self._cut()

    def be(self, mode: Mode) -> None:
        """Change how connections are treated from now on."""
        self._mode = mode
        self._cut()

    def _cut(self) -> None:
        with self._lock:
            held = list(self._open)
        for each in held:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, self._mode), daemon=True).start()

    def _serve(self, client: socket.socket, mode: Mode) -> None:
        with client, suppress(OSError):
            self._hold(client)
            if mode == "unavailable":
                self._refuse(client)
                return
            with socket.create_connection((LOOPBACK, self._target), timeout=5) as server:
                server.settimeout(None)
                self._hold(server)
                back = threading.Thread(target=_pump, args=(server, client, mode == "slow"), daemon=True)
                back.start()
                _pump(client, server, False)  # noqa: FBT003
                back.join()
                self._release(server)
        self._release(client)

    def _refuse(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (piece := client.recv(PIECE_BYTES)):
                return
            head += piece
        self.refused += 1  # before the client knows
        client.sendall(ANSWER)
        head, _, body = head.partition(b"\r\n\r\n")
        lengths = re.findall(rb"(?i)\r\ncontent-length: *(\d+)", head)
        missing = int(lengths[0]) - len(body) if lengths else 0
        client.settimeout(1)  # whoever has asked whether to send it sends nothing now
        while missing > 0 and (piece := client.recv(PIECE_BYTES)):
            missing -= len(piece)

    def _hold(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def _release(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)


def _pump(source: socket.socket, sink: socket.socket, slow: bool) -> None:  # noqa: FBT001
    """Pass on what comes until one side ends; then end the other."""
    with suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            if slow:
                time.sleep(SLOW_SECONDS)
            sink.sendall(piece)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
