"""The value of a string in a feature: its place in the feature's table, or a value by its hash.

A table is a list of masked XXH3 hashes, best first. The mask has all bits up to the top bit of the largest
entry. With n entries, the one at position i from the end has the value 2i/(n-1) - 1 (1 if it is alone); a
string without an entry lies at random within one step of 2/(n-1) around 0 (one step of 1 if n ≤ 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

__all__ = ["MAX_HASH_BITS", "StringTable", "text_hash"]

MAX_HASH_BITS: Final = 64
_LOW_32: Final = 0xFFFF_FFFF
_TO_UNIT: Final = 2.0**-32


def text_hash(text: str, seed: int) -> int:
    """The XXH3 hash of a text's UTF-8 bytes, 64 bits; a lone surrogate has a hash too.

    >>> text_hash("rock", 64229900)
    11327966737791398061
    """
    return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), seed)


class StringTable:
    """The values of one feature's strings; ValueError for an entry that is no 64-bit hash."""

    __slots__ = ("_order", "_sorted", "_value_of", "entries", "mask", "width")

    def __init__(self, entries: Sequence[int] = ()) -> None:
        """Take the entries, best first; none is the table of a feature that has none."""
        if not all(0 <= entry < 1 << MAX_HASH_BITS for entry in entries):
            message = f"a string table's entries must be integers in 0…2⁶⁴-1, got {list(entries)[:5]}"
            raise ValueError(message)
        n = len(entries)
        self.entries = tuple(entries)
        self.mask = (1 << max(entries, default=0).bit_length()) - 1
        self.width = 1.0 if n <= 1 else 2.0 / (n - 1)
        values = [1.0] if n == 1 else [2.0 * (n - 1 - place) / (n - 1) - 1.0 for place in range(n)]
        # Reversed, so that of equal entries the best one stays.
        self._value_of = dict(zip(reversed(self.entries), reversed(values), strict=True))
        self._sorted = np.array(sorted(self._value_of), dtype=np.uint64)
        self._order = np.array([self._value_of[entry] for entry in sorted(self._value_of)], dtype=np.float64)

    def value(self, digest: int) -> float:
        """The value of the string with this hash."""
        found = self._value_of.get(digest & self.mask)
        return _scatter(digest & _LOW_32, self.width) if found is None else found

    def values(self, digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
        """The values of strings by their hashes; `value` of each, to the last bit."""
        missed = (digests & np.uint64(_LOW_32)).astype(np.float64) * _TO_UNIT
        values = missed * self.width - 0.5 * self.width
        if len(self._sorted):
            masked = digests & np.uint64(self.mask)
            place = np.minimum(np.searchsorted(self._sorted, masked), len(self._sorted) - 1)
            hit = self._sorted[place] == masked
            values[hit] = self._order[place[hit]]
        return values


def _scatter(low: int, width: float) -> float:
    """v·w - w/2, in the order of the trainer and the compiled SDKs; other orders differ in the last bit."""
    return low * _TO_UNIT * width - 0.5 * width
