"""Archived rows, table by table, as blocks of decisions that do not depend on how the tables were cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lambda_learner.retrain.errors import ForeignRows

__all__ = ["COLUMNS", "BlockSize", "decision_rows"]

# Of the archive (improve_protocol.md §3); its `reward` is the sum, and the target is worked out anew.
COLUMNS: Final = {
    "decision_id": pa.binary(),
    "item": pa.binary(),
    "context": pa.binary(),
    "count": pa.float64(),
    "sample": pa.binary(),
    "rewards": pa.binary(),
    "runners_up": pa.binary(),  # only where protocol 7 was archived: a JSON list
    "propensity": pa.binary(),  # only where a decision carried it: a JSON number
}
_OPTIONAL: Final = ("runners_up", "propensity")


class BlockSize(NamedTuple):
    """The most that a block has: rows, and bytes of JSON unless it is a single row."""

    rows: int
    text_bytes: int


def decision_rows(
    tables: Iterable[pa.Table], size: BlockSize, *, max_rows: int | None, set_aside: Counter[str]
) -> Iterator[pa.Table]:
    """Blocks of `COLUMNS` of the rows that have a decision, texts as bytes, the first `max_rows` of them.

    Rewards that wait for their decision (partial rows: item or context is null) are counted. ForeignRows for
    a table without the archive's columns.
    """
    waiting, left = _EMPTY, max_rows
    for table in tables:
        kept = _decisions(table, set_aside)
        if left is not None:
            kept = kept.slice(0, left)
            left -= kept.num_rows
        waiting = pa.concat_tables([waiting, kept])
        while (fitting := _fitting(waiting, size)) < waiting.num_rows:
            yield waiting.slice(0, fitting)
            waiting = waiting.slice(fitting)
        if left == 0:
            break
    if waiting.num_rows:
        yield waiting


def _decisions(table: pa.Table, set_aside: Counter[str]) -> pa.Table:
    rows = _as_columns(table)
    there = pc.and_(pc.is_valid(rows["item"]), pc.is_valid(rows["context"]))
    kept = rows.filter(there)
    set_aside["partial"] += rows.num_rows - kept.num_rows
    return kept


def _as_columns(table: pa.Table) -> pa.Table:
    missing = [name for name in COLUMNS if name not in table.column_names and name not in _OPTIONAL]
    if missing:
        message = f"a table of the archive has the columns {', '.join(COLUMNS)}; {missing[0]} is missing"
        raise ForeignRows(message)
    for name in _OPTIONAL:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.binary()))
    try:
        return table.select(list(COLUMNS)).cast(_SCHEMA)
    except pa.ArrowException as error:
        message = f"a table of the archive has texts and a count as number, got {table.schema.types} ({error})"
        raise ForeignRows(message) from error


def _fitting(rows: pa.Table, size: BlockSize) -> int:
    """How many rows the next block has: all of them if they leave room for more."""
    head = rows.slice(0, size.rows)
    sizes = np.zeros(head.num_rows)
    for name in ("item", "context", "sample"):
        sizes += pc.fill_null(pc.binary_length(head[name]), 0).to_numpy()
    fitting = int(np.searchsorted(np.cumsum(sizes), size.text_bytes, side="right"))
    return max(fitting, min(1, len(sizes)))


_SCHEMA: Final = pa.schema(list(COLUMNS.items()))
_EMPTY: Final = _SCHEMA.empty_table()
