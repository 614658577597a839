"""Reads the body of a request, plain or gzip, in one piece or chunked; refuses it while it reads, not after."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final, Protocol

from starlette.requests import Request

from jobs.track.room import Lease

__all__ = ["BodyError", "read_body"]

BODY_SECONDS: Final = 10.0  # for all of a body; the original's function ended after 6 s
_GZIP: Final = 31  # zlib's window bits for a gzip header and trailer


class BodyError(ValueError):
    """A body that is not taken, and the HTTP status that says so; the rest of it is not read."""

    def __init__(self, status: int, message: str) -> None:
        """Take the status and what is wrong."""
        super().__init__(message)
        self.status = status


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
        except zlib.error as error:
            raise BodyError(400, f"body must be gzip, as its content-encoding says, got {error}") from error
        if self._stream.unused_data:
            raise BodyError(400, "body must be one member of gzip, got more after its end")
        return unpacked

    def end(self) -> None:
        if not self._stream.eof:
            raise BodyError(400, "body must be gzip, as its content-encoding says, got one that breaks off")


async def read_body(request: Request, max_bytes: int, *, lease: Lease, seconds: float = BODY_SECONDS) -> bytes:
    """All of the body, unpacked; raises BodyError, NoRoomError, or ClientDisconnect when the client leaves.

    Neither what is sent nor what it unpacks to may be longer than `max_bytes`, so no more is ever held; the lease
    takes the bytes as they come.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes, declared)
    try:
        async with asyncio.timeout(seconds):
            return await _unpacked(request, _coding(request), max_bytes, lease=lease)
    except TimeoutError as error:
        raise BodyError(408, f"body must arrive within {seconds:g} s") from error


async def _unpacked(request: Request, coding: _Coding, max_bytes: int, *, lease: Lease) -> bytes:
    body, sent = bytearray(), 0
    async for data in request.stream():
        sent += len(data)
        unpacked = coding.feed(data, max_bytes - len(body) + 1)
        if max(sent, len(body) + len(unpacked)) > max_bytes:
            raise _too_large(max_bytes, "more")
        lease.take(len(unpacked))
        body += unpacked
    coding.end()
    return bytes(body)


def _coding(request: Request) -> _Coding:
    name = request.headers.get("content-encoding", "identity").strip().lower()
    if name not in ("identity", "gzip", ""):
        raise BodyError(415, f"content-encoding must be gzip or identity, got {name[:40]}")
    return _Gzip() if name == "gzip" else _Identity()


def _too_large(max_bytes: int, got: str) -> BodyError:
    return BodyError(413, f"body must be at most {max_bytes} bytes, unpacked too (max_message_bytes), got {got}")
