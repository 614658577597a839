"""What became of one request: the same value for the metrics and for the access log."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

__all__ = ["Observer", "Outcome"]


class Outcome(NamedTuple):
    """One request and its answer. `reason` is a word for what was wrong, or "" (stored, preflight, a page).

    `bytes_read` is the body as it came, packed or not; `project` is that of the API key, where keys are asked for.
    `status` is 0 when the client went before there was an answer.
    """

    method: str
    path: str
    status: int
    reason: str
    project: str | None
    bytes_read: int
    seconds: float


Observer: TypeAlias = Callable[[Outcome], None]  # called once a request, in the thread of the event loop
