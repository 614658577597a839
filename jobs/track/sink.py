"""What every sink of the endpoint does: take an event, and say when it is durable."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

from lambda_learner.events.accept import Stored

__all__ = ["NotStoredError", "Sink"]


class NotStoredError(RuntimeError):
    """An event was not stored: too many wait, the sink failed, or it is closed. Trying again later may help."""


class Sink(Protocol):
    """Where events become durable; `problem` is why they do not, while they do not."""

    problem: str | None

    def append(self, event: Stored) -> Future[None]:
        """Done when the event is durable; NotStoredError from it or at once. From any thread."""
        ...

    def close(self) -> None:
        """Store what waits, and end."""
        ...
