"""The server's reader of HTTP/1.1, which ends connections whose request has too long a head, or one that does not come.

The parser below it gathers a header of any length: one of 100 MB makes the process grow by 100 MB (measured). And the
server below waits for ever, for a head that has begun and on a new connection: clients could take all descriptors.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MAX_HEAD_BYTES", "BoundedHead"]

MAX_HEAD_BYTES: Final = 65_536  # of a request line and its headers; those of clients are some hundred bytes
HEAD_SECONDS: Final = 10.0  # as many as a body has
_TOO_LONG: Final = f"The head of a request must be at most {MAX_HEAD_BYTES} bytes."
_TOO_SLOW: Final = "The head of a request must arrive in time."


class BoundedHead(HttpToolsProtocol):
    """Holds at most 64 KiB of a head, and what has come with its last bytes.

    Between two requests of a connection the server's own limit holds, `timeout_keep_alive`.
    """

    head_seconds = HEAD_SECONDS
    _in_head = True
    _head_bytes = 0
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
        if not self._in_head or not self._head_bytes:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LONG)
        elif self._timer is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """Note that a body follows."""
        self._in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that another head follows, and count anew; what of it has come already is not counted."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._refuse, _TOO_SLOW)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, message: str) -> None:
        if not self.transport.is_closing():
            self.send_400_response(message)
