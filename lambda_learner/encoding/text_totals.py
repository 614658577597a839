"""What is known of each string of each path over a data set: its weight, its weighted targets, how often it comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lambda_learner.encoding.columns import Flat, Keys

__all__ = ["TextTotals", "Totals", "weigh_keys"]

# 40 bytes a string: 320 MB. Only strings that come often get an entry, so the rarest may be forgotten.
MAX_STRINGS: Final = 8_000_000


class Totals(NamedTuple):
    """Strings by (path, hash), arrays of one length: weight is Σw, target Σw·y, rows how many there are."""

    paths: npt.NDArray[np.int32]
    hashes: npt.NDArray[np.uint64]
    weight: npt.NDArray[np.float64]
    target: npt.NDArray[np.float64]
    rows: npt.NDArray[np.float64]

    def take(self, places: npt.NDArray[np.int64]) -> Totals:
        """The strings at these places, in this order."""
        paths, hashes, weight, target, rows = self
        return Totals(paths[places], hashes[places], weight[places], target[places], rows[places])


class TextTotals:
    """Adds batches up. Memory is bounded: over `max_strings` distinct ones the rarest so far are forgotten."""

    def __init__(self, *, max_strings: int = MAX_STRINGS) -> None:
        self._max_strings = max_strings
        self._merged = _EMPTY
        self._pending: list[Totals] = []
        self._waiting = 0

    def add(self, totals: Totals) -> None:
        """Add a batch; merged when as many wait as are merged, so that all merging costs n log n."""
        self._pending.append(totals)
        self._waiting += len(totals.hashes)
        if self._waiting > max(len(self._merged.hashes), 100_000):
            self.merged()

    def merged(self) -> Totals:
        """The totals so far, in order of path and hash."""
        if self._pending:
            merged = _merge([self._merged, *self._pending])
            self._merged = _without_rarest(merged, self._max_strings)
            self._pending, self._waiting = [], 0
        return self._merged


def weigh_keys(
    keys: Keys,
    parts: Sequence[tuple[Flat, npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float64]]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Σw, Σw·y and the number of rows for each key of a batch.

    A part is a flat side, the rows' codes into it (-1: none), their weights w and targets y.
    """
    sums = np.zeros((3, len(keys.paths)))
    for flat, codes, weights, targets in parts:
        texts, rows = len(flat.starts) - 1, flat.rows()
        there = codes >= 0
        code, w = codes[there], weights[there]
        for place, of_row in enumerate((w, w * targets[there], np.ones(len(w)))):
            of_text = np.bincount(code, weights=of_row, minlength=texts)
            sums[place] += np.bincount(flat.keys, weights=of_text[rows], minlength=len(keys.paths))
    return sums[0], sums[1], sums[2]


def _merge(parts: Sequence[Totals]) -> Totals:
    paths = np.concatenate([part.paths for part in parts])
    hashes = np.concatenate([part.hashes for part in parts])
    order = np.lexsort((hashes, paths))
    paths, hashes = paths[order], hashes[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(paths) != 0) | (hashes[1:] != hashes[:-1])
    starts = np.flatnonzero(new)

    def added(column: str) -> npt.NDArray[np.float64]:
        values: npt.NDArray[np.float64] = np.concatenate([getattr(part, column) for part in parts])[order]
        return np.add.reduceat(values, starts) if len(starts) else values

    return Totals(paths[starts], hashes[starts], added("weight"), added("target"), added("rows"))


def _without_rarest(totals: Totals, most: int) -> Totals:
    """At most half of `most` strings if they are more than that, those that came most often."""
    if len(totals.hashes) <= most:
        return totals
    least = np.partition(totals.rows, -(most // 2))[-(most // 2)]
    return totals.take(np.flatnonzero(totals.rows > least))


_EMPTY: Final = Totals(np.empty(0, np.int32), np.empty(0, np.uint64), np.empty(0), np.empty(0), np.empty(0))
