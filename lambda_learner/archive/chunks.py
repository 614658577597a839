"""Sorted rows cut at ids, and into files of about equal size between two seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from lambda_learner.archive.partition import first_id
from lambda_learner.events import ksuid

__all__ = ["chunks", "cuts"]


def cuts(table: pa.Table, bounds: Sequence[str]) -> list[int]:
    """For each bound, how many rows of a table sorted by decision_id come before it."""
    if table.num_rows == 0:
        return [0] * len(bounds)
    ids = table["decision_id"].to_numpy().astype(f"S{ksuid.LENGTH}")
    places: list[int] = np.searchsorted(ids, np.array(bounds, f"S{ksuid.LENGTH}")).tolist()
    return places


def chunks(table: pa.Table, max_rows: int) -> Iterator[pa.Table]:
    """The rows in files of at most `max_rows`, none under about half of it if there are several.

    No second is in two files, so the times in their names never overlap: hence more than `max_rows` rows of one
    second are one file. The Gym cuts at decimal digits of the time instead, into files of any size down to one row.
    """
    start = 0
    while table.num_rows - start > max_rows:
        rest = table.num_rows - start
        stop = _between_seconds(table, start, start + rest // -(-rest // max_rows), latest=start + max_rows)
        yield table.slice(start, stop - start)
        start = stop
    if start < table.num_rows:
        yield table.slice(start)


def _between_seconds(table: pa.Table, start: int, wanted: int, *, latest: int) -> int:
    """The start or the end of the second of the wanted row, what is nearer, but after `start` and up to `latest`.

    Only a second that is too long for a file ends after `latest`.
    """
    second = ksuid.unix_seconds(table["decision_id"][wanted].as_py())
    first, after = cuts(table, [first_id(second), first_id(second + 1)])
    if after <= latest and after - wanted < wanted - first:
        return after
    return first if first > start else after
