"""Token buckets: how many requests a key may send in a second, and at once; time is a parameter.

A bucket counts in nanoseconds of refill, so its arithmetic is exact: who waits as long as told is let in.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

__all__ = ["Bucket", "RateLimit", "RateLimits"]

NS_PER_S: Final = 1_000_000_000


class RateLimit(NamedTuple):
    """Requests a second over time, and how many of them may come at once after a pause."""

    per_second: float
    burst: int

    @property
    def interval_ns(self) -> int:
        """The time in which one request is earned."""
        return max(1, round(NS_PER_S / self.per_second))


class Bucket:
    """What one key has earned and not used; full at the beginning."""

    __slots__ = ("_credit_ns", "_interval_ns", "_now_ns")

    def __init__(self, limit: RateLimit, now_ns: int) -> None:
        self._interval_ns = limit.interval_ns
        self._credit_ns = limit.burst * self._interval_ns
        self._now_ns = now_ns

    def take(self, limit: RateLimit, now_ns: int) -> int:
        """0, and one request less, when one is there; else the nanoseconds until one will be, and none less.

        A limit that differs from that of the call before keeps the number of requests that are left, up to the burst.
        """
        self._earn(limit, now_ns)
        if self._credit_ns < self._interval_ns:
            return self._interval_ns - self._credit_ns
        self._credit_ns -= self._interval_ns
        return 0

    def _earn(self, limit: RateLimit, now_ns: int) -> None:
        interval_ns = limit.interval_ns
        if interval_ns != self._interval_ns:
            self._credit_ns = self._credit_ns * interval_ns // self._interval_ns
            self._interval_ns = interval_ns
        elapsed_ns = max(now_ns - self._now_ns, 0)
        self._credit_ns = min(self._credit_ns + elapsed_ns, limit.burst * interval_ns)
        self._now_ns += elapsed_ns


class RateLimits:
    """The buckets of all keys, by name; for one thread, that of the event loop."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def take(self, name: str, limit: RateLimit, now_ns: int) -> int:
        """Like `Bucket.take`, of the bucket of this name."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(limit, now_ns)
        return bucket.take(limit, now_ns)

    def keep(self, names: Container[str]) -> None:
        """Forget all buckets but these."""
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if name in names}
