"""A track endpoint on loopback that answers as the test says, and keeps what it was sent."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self, cast

from jobs.ports import free_port
from lambda_learner.events.accept import stored
from lambda_learner.serve.sender import wall_clock_ms


class Reply(NamedTuple):
    """Status 0 ends the connection without an answer."""

    status: int = 200
    body: bytes = b'{"status":"success"}'
    headers: Mapping[str, str] = {}


STORED = Reply()


def refusal(status: int, message: str) -> Reply:
    return Reply(status, json.dumps({"error": {"message": message}}).encode())


class Asked(NamedTuple):
    body: bytes
    headers: Mapping[str, str]
    connection: int
    at_s: float

    @property
    def event(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.body))


@dataclass
class TrackEndpoint:
    """Serves between `with` and its end; every body that it answers 200 has passed the strict check."""

    reply: Callable[[dict[str, Any]], Reply] = lambda _event: STORED
    port: int = field(default_factory=free_port)
    checks: bool = True
    asked: list[Asked] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/track"

    def copies(self) -> Counter[str]:
        """How often each event was answered 200."""
        return Counter(event["message_id"] for event in self.accepted)

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        reply = self.reply(asked.event)
        if reply.status == 200 and self.checks:
            try:
                stored(asked.body, received_ms=wall_clock_ms())
            except ValueError as error:
                self.faults.append(str(error))
            self.accepted.append(asked.event)
        return reply

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.endpoint = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()
        self._thread.join()
        assert self.faults == []


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    endpoint: TrackEndpoint

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self.connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut is no news."""

    def cut(self) -> None:
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        number = self.server.connections.index(self.connection)
        status, answer, more = self.server.endpoint.answer(Asked(body, headers, number, time.monotonic()))
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Nothing."""
