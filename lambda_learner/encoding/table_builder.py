"""String tables from a data set: which strings get an entry, in which order, of how many bits.

A string that comes more than 20 times is kept, of those the ones with the most weight. With W, T, C its sums of
weight, weight·target and rows, and P = prior_count·W/C, its score is (T + prior_mean·P)/(W + P), the mean of
its targets drawn to the prior; the best come first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lambda_learner.encoding.text_totals import Totals

__all__ = ["MAX_ENTRY_BITS", "MIN_STRING_COUNT", "TableRules", "Width", "best_first", "build_tables", "narrow", "wide"]

Hashes: TypeAlias = npt.NDArray[np.uint64]
Width: TypeAlias = Callable[[Hashes], Hashes]

MIN_STRING_COUNT: Final = 21  # rows: fewer say nothing that holds
SPARE_BITS: Final = 24  # an unseen string meets a foreign entry once in 2²⁴ = 17 million times or less
MIN_SPARE_BITS: Final = 20
# Java computes the mask by a floating logarithm that is wrong from 2⁴⁸-1 on.
MAX_ENTRY_BITS: Final = 47
_ALL_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class TableRules:
    """How a table is built; `prior_count` is in rows, `prior_mean` in units of the target."""

    prior_count: float
    prior_mean: float
    max_strings: int
    width: Width


def build_tables(totals: Totals, features: Mapping[int, str], rules: TableRules) -> dict[str, list[int]]:
    """The tables of the features (names by path number) that have strings to keep."""
    often = np.flatnonzero((totals.rows >= MIN_STRING_COUNT) & np.isin(totals.paths, list(features)))
    ends_of_paths = np.flatnonzero(np.diff(totals.paths[often])) + 1
    tables = {}
    for places in np.split(often, ends_of_paths):
        if len(places):
            tables[features[int(totals.paths[places[0]])]] = best_first(totals.take(places), rules)
    return tables


def best_first(totals: Totals, rules: TableRules) -> list[int]:
    """One feature's entries; strings of one score by weight, then by hash."""
    heaviest = np.lexsort((totals.hashes, -totals.weight))[: rules.max_strings]
    _, hashes, weight, target, rows = totals.take(heaviest)
    prior = rules.prior_count * weight / rows
    scores = (target + rules.prior_mean * prior) / (weight + prior)
    masked = rules.width(hashes)
    return list(dict.fromkeys(masked[np.argsort(-scores, kind="stable")].tolist()))


def wide(hashes: Hashes) -> Hashes:
    """The hashes in 24 bits more than tell them apart, 47 at most.

    The readers take the mask from the largest entry, so it must have 20 spare bits too. Two hashes that are
    one in 47 bits (once in 3 million tables of 10,000) share an entry.
    """
    if not len(hashes):
        return hashes
    needed = _distinct_bits(hashes)
    for bits in range(min(needed + SPARE_BITS, MAX_ENTRY_BITS), MAX_ENTRY_BITS + 1):
        masked = _low(hashes, bits)
        if int(masked.max()).bit_length() >= needed + MIN_SPARE_BITS:
            break
    return masked


def narrow(hashes: Hashes) -> Hashes:
    """The hashes in the original's width, the least that tells them apart: strings without an entry often meet one."""
    return _low(hashes, _distinct_bits(hashes)) if len(hashes) else hashes


def _distinct_bits(hashes: Hashes) -> int:
    bits = max(len(hashes).bit_length() - 1, 1) + 1
    while bits < _ALL_BITS and len(np.unique(_low(hashes, bits))) < len(hashes):
        bits += 1
    return bits


def _low(hashes: Hashes, bits: int) -> Hashes:
    return hashes & np.uint64((1 << bits) - 1)
