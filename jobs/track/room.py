"""How many bytes of requests the endpoint holds at once, whatever their number and size."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

__all__ = ["Lease", "NoRoomError", "Room"]

MAX_BODY_BYTES: Final = 64 << 20  # of bodies that are read or wait to be stored


class NoRoomError(RuntimeError):
    """The bodies of other requests take all the room; trying again later may help."""


class Room:
    """Bytes that requests may hold together; for one thread, that of the event loop."""

    def __init__(self, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_bytes = self.free_bytes = max_bytes

    def take(self, number: int) -> None:
        """Take bytes, or raise NoRoomError."""
        if number > self.free_bytes:
            message = f"the bodies of other requests take all of {self._max_bytes} bytes"
            raise NoRoomError(message)
        self.free_bytes -= number

    def lease(self) -> Lease:
        """A part of the room that grows as it is needed, until the context ends."""
        return Lease(self)


class Lease:
    """What one request has taken."""

    def __init__(self, room: Room) -> None:
        self._room, self._taken = room, 0

    def take(self, number: int) -> None:
        """Take more bytes, or raise NoRoomError."""
        self._room.take(number)
        self._taken += number

    def __enter__(self) -> Self:
        """Begin with nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give all of it back."""
        self._room.free_bytes += self._taken
