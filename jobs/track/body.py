"""Reads the body of a request, plain or gzip, in one piece or chunked; refuses it while it reads, not after."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final, Protocol

from starlette.requests import Request

from jobs.track.answers import CLOSE, Answer, Refusal, error
from jobs.track.room import Lease

__all__ = ["Body"]

BODY_SECONDS: Final = 10.0  # for all of a body; the original's function ended after 6 s
MAX_DIGITS: Final = 18  # of a length that is read as a number; a longer one is too large in any case
_GZIP: Final = 31  # zlib's window bits for a gzip header and trailer


class _Coding(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...
    def end(self) -> None: ...


class _Identity:
    """A body as it is."""

    def feed(self, data: bytes, room: int) -> bytes:
        return data

    def end(self) -> None:
        """Any end is an end."""


class _Gzip:
    """A body that is one member of gzip; what it unpacks to is never longer than there is room."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=_GZIP)

    def feed(self, data: bytes, room: int) -> bytes:
        try:
            unpacked = self._stream.decompress(data, room)
        except zlib.error as problem:
            raise Refusal(_no_gzip(f"gzip, as its content-encoding says, got {problem}")) from problem
        if self._stream.unused_data:
            raise Refusal(_no_gzip("one member of gzip, got more after its end"))
        return unpacked

    def end(self) -> None:
        if not self._stream.eof:
            raise Refusal(_no_gzip("gzip, as its content-encoding says, got one that breaks off"))


class Body:
    """The body of a request; `bytes_read` is what came of it so far, packed or not."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.bytes_read = 0

    async def read(self, max_bytes: int, *, lease: Lease, seconds: float = BODY_SECONDS) -> bytes:
        """All of it, unpacked; raises Refusal, NoRoomError, or ClientDisconnect when the client leaves.

        Neither what is sent nor what it unpacks to may be longer than `max_bytes`, so no more is ever held; the lease
        takes the bytes as they come.
        """
        declared = self._request.headers.get("content-length", "0")
        is_number = declared.isascii() and declared.isdigit()
        if is_number and (len(declared) > MAX_DIGITS or int(declared) > max_bytes):
            raise Refusal(_too_large(max_bytes, declared))
        try:
            async with asyncio.timeout(seconds):
                return await self._unpacked(_coding(self._request), max_bytes, lease)
        except TimeoutError as late:
            raise Refusal(error(408, "timeout", f"body must arrive within {seconds:g} s", CLOSE)) from late

    async def _unpacked(self, coding: _Coding, max_bytes: int, lease: Lease) -> bytes:
        body = bytearray()
        async for data in self._request.stream():
            self.bytes_read += len(data)
            unpacked = coding.feed(data, max_bytes - len(body) + 1)
            if max(self.bytes_read, len(body) + len(unpacked)) > max_bytes:
                raise Refusal(_too_large(max_bytes, "more"))
            lease.take(len(unpacked))
            body += unpacked
        coding.end()
        return bytes(body)


def _coding(request: Request) -> _Coding:
    name = request.headers.get("content-encoding", "identity").strip().lower()
    if name not in ("identity", "gzip", ""):
        message = f"content-encoding must be gzip or identity, got {name[:40]}"
        raise Refusal(error(415, "unknown_coding", message, CLOSE))
    return _Gzip() if name == "gzip" else _Identity()


def _no_gzip(rule: str) -> Answer:
    return error(400, "bad_gzip", f"body must be {rule}", CLOSE)


def _too_large(max_bytes: int, got: str) -> Answer:
    message = f"body must be at most {max_bytes} bytes, unpacked too (max_message_bytes), got {got}"
    return error(413, "too_large", message, CLOSE)
