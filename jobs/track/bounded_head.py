"""The server's reader of HTTP/1.1, which ends connections whose request is too long but for its body, or does not come.

The parser below it gathers a header of any length, and trailers without end: of 14 MB of them the process grows by
200 MB (measured). The server below keeps 20 MB for each connection that sends thousands of requests at once. And it
waits for ever: on a new connection, for a head that has begun, and for the rest of a body that nobody reads, a
preflight's say; clients could take all descriptors.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MAX_HEAD_BYTES", "BoundedHead"]

MAX_HEAD_BYTES: Final = 65_536  # of a request line and its headers; those of clients are some hundred bytes
HEAD_SECONDS: Final = 10.0  # as many as a body has
MAX_PIPELINED: Final = 100  # requests that wait for the answer to one before them; no client of ours sends any so
_TOO_LONG: Final = f"The head of a request, and its trailers, must be at most {MAX_HEAD_BYTES} bytes."
_TOO_SLOW: Final = "The head of a request, and a body that nobody reads, must arrive in time."


class BoundedHead(HttpToolsProtocol):
    """Holds at most 64 KiB of a head, or of trailers, and what has come with its last bytes.

    Between two requests of a connection the server's own limit holds, `timeout_keep_alive`.
    """

    head_seconds = HEAD_SECONDS
    _in_head = True
    _head_bytes = 0  # since the last byte of a body, or the end of a head or message
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the server has it
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; asyncio hands over 256 KiB at most."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LONG)
        elif self._timer is None and self._is_awaited():
            self._wait()

    def on_headers_complete(self) -> None:
        """Note that a body follows; RuntimeError, which the server answers by 400, for too many requests at once."""
        self._in_head, self._head_bytes = False, 0
        self._wait_no_more()
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            message = f"more than {MAX_PIPELINED} requests wait for the answer to one before them"
            raise RuntimeError(message)

    def on_body(self, body: bytes) -> None:
        """Count anew."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that another head follows, and count anew; what of it has come already is not counted."""
        self._in_head, self._head_bytes = True, 0
        self._wait_no_more()
        super().on_message_complete()

    def _is_awaited(self) -> bool:
        """Whether a head has begun, or a body goes on after its answer."""
        return self._head_bytes > 0 if self._in_head else self.cycle.response_complete

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._refuse, _TOO_SLOW)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, message: str) -> None:
        if not self.transport.is_closing():
            self.send_400_response(message)
