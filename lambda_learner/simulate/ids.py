"""Fresh KSUIDs in quantity, from a generator handed in: about 2 µs each."""

from __future__ import annotations

from itertools import product

import numpy as np

from lambda_learner.events.ksuid import EPOCH_S

__all__ = ["Mint"]

PAYLOAD_BYTES = 16
_BATCH = 4096  # identifiers whose random bytes are drawn in one call
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Three digits a step: nine look-ups make the 27 characters, where single digits would take 27 divisions.
_TRIPLES = tuple("".join(digits) for digits in product(_DIGITS, repeat=3))
_TRIPLE = 62**3
_THIRD = 62**9


class Mint:
    """Identifiers whose 16 random bytes come from a seeded generator: one seed, the same identifiers."""

    __slots__ = ("_payloads", "_rng")

    def __init__(self, rng: np.random.Generator) -> None:
        """Take the generator; it is drawn from in batches."""
        self._rng = rng
        self._payloads: list[int] = []

    def at(self, unix_seconds: int) -> str:
        """Give a fresh KSUID of that time; ValueError outside 2014-05-13 … 2150-06-19."""
        since = unix_seconds - EPOCH_S
        if not 0 <= since < 1 << 32:
            message = f"a KSUID's time is 2014-05-13 to 2150-06-19, got {unix_seconds} s since the Unix epoch"
            raise ValueError(message)
        if not self._payloads:
            self._refill()
        return _base62((since << 128) | self._payloads.pop())

    def _refill(self) -> None:
        drawn = self._rng.bytes(PAYLOAD_BYTES * _BATCH)
        starts = range(0, len(drawn), PAYLOAD_BYTES)
        self._payloads = [int.from_bytes(drawn[start : start + PAYLOAD_BYTES], "big") for start in starts]


def _base62(number: int) -> str:
    number, low = divmod(number, _THIRD)
    high, middle = divmod(number, _THIRD)
    return _nine(high) + _nine(middle) + _nine(low)


def _nine(number: int) -> str:
    number, last = divmod(number, _TRIPLE)
    first, middle = divmod(number, _TRIPLE)
    return _TRIPLES[first] + _TRIPLES[middle] + _TRIPLES[last]
