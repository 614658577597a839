"""Parts an archive, read newest first, into the newest time slice for the gate and the older rows to fit a candidate.

Both come from one pass: the slice is kept in memory, the older rows stream on. The cut lies between two seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from lambda_learner.archive.chunks import cuts
from lambda_learner.archive.partition import first_id
from lambda_learner.events import ksuid
from lambda_learner.retrain.gate import held_out_from_ms

__all__ = ["Slice", "Wanted", "split"]

MAX_HELD_OUT: Final = 100_000  # decisions; more hardly shorten an interval, and they are held in memory
MS: Final = 1000


class Wanted(NamedTuple):
    """How much to hold out: that share of `total` decisions, none that the incumbent may have seen, in so much memory.

    `seen_through_ms` None: there is no such decision.
    """

    share: float
    total: int
    seen_through_ms: int | None
    max_bytes: int

    @property
    def rows(self) -> int:
        """How many rows that is, at least one."""
        return max(1, min(int(self.total * self.share), MAX_HELD_OUT))


class Slice(NamedTuple):
    """The slice in order of decision_id, perhaps empty, and all that is older, newest table first."""

    held_out: pa.Table
    older: Iterator[pa.Table]
    from_s: int


def split(tables: Iterable[pa.Table], wanted: Wanted) -> Slice | None:
    """The two parts; None without any row. Each table is in order of decision_id and older than the one before."""
    left = iter(tables)
    gathered, is_all = _gather(left, wanted)
    if gathered is None:
        return None
    seconds = np.array([ksuid.unix_seconds(decision_id) for decision_id in gathered["decision_id"].to_pylist()])
    rows = len(seconds)
    most = max(1, min(wanted.rows, int(rows * wanted.share))) if is_all else wanted.rows
    share = min(most, max(rows - 1, 0.5)) / rows  # a single row is held out, and leaves nothing to fit
    from_ms = held_out_from_ms(seconds * MS, share, seen_through_ms=wanted.seen_through_ms)
    from_s = -(-from_ms // MS)
    (cut,) = cuts(gathered, [first_id(from_s)])
    return Slice(gathered.slice(cut), _below(chain([gathered], left), first_id(from_s)), from_s)


def _gather(tables: Iterator[pa.Table], wanted: Wanted) -> tuple[pa.Table | None, bool]:
    """The newest rows, more than wanted if there are more, and whether they are all that there are."""
    taken: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        taken.append(table)
        rows, size = rows + table.num_rows, size + table.nbytes
        if rows > wanted.rows or size > wanted.max_bytes or _is_seen(table, wanted.seen_through_ms):
            return pa.concat_tables(reversed(taken)), False
    return (pa.concat_tables(reversed(taken)) if rows else None), True


def _below(tables: Iterable[pa.Table], bound: str) -> Iterator[pa.Table]:
    """The rows below an id: those of the slice's first second that did not fit into it are on no side."""
    is_past = False
    for table in tables:
        cut = table.num_rows if is_past else cuts(table, [bound])[0]
        is_past = is_past or cut == table.num_rows
        if cut:
            yield table.slice(0, cut)


def _is_seen(table: pa.Table, seen_through_ms: int | None) -> bool:
    if seen_through_ms is None or not table.num_rows:
        return False
    return ksuid.unix_seconds(table["decision_id"][0].as_py()) * MS <= seen_through_ms
