"""Who may send an event: those with a valid API key, as often as its limit allows."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Final, Protocol

from starlette.types import Scope

from jobs.track.answers import CLOSE, Answer, Refusal, error, try_again
from jobs.track.keys import ApiKey, KeyRing
from jobs.track.rate_limit import NS_PER_S, RateLimits
from operators.clock import wall_clock_ms

__all__ = ["Admission", "Keys"]

HEADER: Final = b"x-api-key"


class Keys(Protocol):
    """The keys that are valid now; another ring when they change."""

    @property
    def ring(self) -> KeyRing:
        """The same object for the same keys."""
        ...


class Admission:
    """Asks for API keys; for one thread, that of the event loop. A key's bucket outlives a change of the others."""

    def __init__(
        self, keys: Keys, *, now_ms: Callable[[], int] = wall_clock_ms, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._keys, self._now_ms, self._now_ns = keys, now_ms, now_ns
        self._ring, self._limits = keys.ring, RateLimits()

    def project(self, scope: Scope) -> str:
        """The project whose key the request shows; Refusal when there is none, or it comes too often."""
        key = self._key(scope)
        limit = key.limit
        wait_ns = self._limits.take(key.sha256, limit, self._now_ns()) if limit else 0
        if wait_ns:
            raise Refusal(_too_often(key, wait_ns), key.project)
        return key.project

    def _key(self, scope: Scope) -> ApiKey:
        presented = next((value for name, value in scope["headers"] if name == HEADER), None)
        if presented is None:
            raise Refusal(_unauthorized("must be there: send the header x-api-key with a key of the project"))
        key = self._current().find(presented)
        if key is None:
            raise Refusal(_unauthorized("must be a key of this endpoint, got another: ask its operator for one"))
        if self._now_ms() >= key.expires_ms:
            raise Refusal(_unauthorized("must be a key that has not expired: ask the operator for a new one"))
        return key

    def _current(self) -> KeyRing:
        ring = self._keys.ring
        if ring is not self._ring:
            self._ring = ring
            self._limits.keep(ring.hashes)
        return ring


def _unauthorized(rule: str) -> Answer:
    return error(401, "unauthorized", f"x-api-key {rule}", CLOSE)


def _too_often(key: ApiKey, wait_ns: int) -> Answer:
    seconds = ceil(wait_ns / NS_PER_S)
    rate, burst = key.limit or (0, 0)
    message = f"requests must come at most {rate:g} times a second and {burst} at once: wait {seconds} s"
    return try_again("rate_limited", message, status=429, seconds=seconds)
