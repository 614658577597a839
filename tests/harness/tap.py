"""A tap on the wire between the track endpoint and its clients, and a client that may send in pieces."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedIOBase
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Self

from jobs.ports import LOOPBACK

ANSWER_SECONDS = 30.0  # what a client waits for an answer


def post(port: int, body: bytes | Iterable[bytes], **headers: str) -> int:
    """The status that answers a body, which goes chunked when it is pieces; OSError or HTTPException without answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS)
    with contextlib.closing(connection):
        sent = {"Content-Type": "application/json", **headers}
        connection.request("POST", "/track", body, sent, encode_chunked=not isinstance(body, bytes))
        return connection.getresponse().status


@dataclass(frozen=True)
class Exchange:
    """One request as it was sent, and the whole answer to it; empty when none came."""

    request: bytes
    answer: bytes

    @property
    def body(self) -> bytes:
        return self.request.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        """0 without an answer."""
        return int(self.answer.split()[1]) if self.answer else 0

    @property
    def of_the_real_client(self) -> bool:
        return b"\r\nUser-Agent: python-requests/" in self.request


class Tap:
    """Hands each request on to a port byte for byte, and its answer back; one request a connection.

    The first answer to a body in `lose` does not come back: the client's connection ends instead.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.exchanges: list[Exchange] = []
        self.lose: set[bytes] = set()
        self._server = _Server((LOOPBACK, 0), _Passing)
        self._server.tap = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def passed_on(self, request: bytes) -> bytes:
        """The answer to a request, written down; what of it goes back to the client."""
        exchange = Exchange(request, _answer(self.target, request))
        self.exchanges.append(exchange)
        if exchange.body in self.lose:
            self.lose.remove(exchange.body)
            return b""
        return exchange.answer


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    tap: Tap


class _Passing(StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        with contextlib.suppress(OSError):  # the client went
            if request := _message(self.rfile):
                self.wfile.write(server.tap.passed_on(request))


def _answer(port: int, request: bytes) -> bytes:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), ANSWER_SECONDS) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            return _message(stream)
    return b""


def _message(stream: BufferedIOBase) -> bytes:
    """One HTTP message of a declared length; empty when it does not come whole."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (line := stream.readline()):
            return b""
        head += line
    lengths = re.findall(rb"(?i)\r\ncontent-length: *(\d+)\r\n", head)
    length = int(lengths[0]) if lengths else 0
    body = stream.read(length)
    return head + body if len(body) == length else b""
