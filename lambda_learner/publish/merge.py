"""The merge of coefficient files: each entity's latest rows, moved as columns, so that no number changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lambda_learner.publish.rows import SCHEMA, TEXTS, codes_of, run_starts

__all__ = ["merge", "single_chunk"]

IntArray = npt.NDArray[np.int64]


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """Give the rows that hold after all tables (oldest first), tombstones removed, in order of entity."""
    whole = single_chunk(pa.concat_tables(tables)) if tables else SCHEMA.empty_table()
    if whole.num_rows == 0:
        return SCHEMA.empty_table()
    codes = codes_of(whole, "entity")
    starts = _starts(codes, [table.num_rows for table in tables])
    stops = np.append(starts[1:], whole.num_rows)
    last = _last_of_each(codes[starts])
    live = last[codes_of(whole, "name")[starts[last]] >= 0]
    texts = whole["entity"].chunk(0).dictionary.take(pa.array(codes[starts[live]])).to_pylist()
    order = live[sorted(range(len(texts)), key=texts.__getitem__)]
    return _canonical(whole.take(pa.array(_ranges(starts[order], stops[order]))))


def single_chunk(table: pa.Table) -> pa.Table:
    """Give the table with one chunk and one dictionary a text column."""
    return table.unify_dictionaries().combine_chunks()


def _starts(codes: IntArray, lengths: list[int]) -> IntArray:
    """Give where each entity's rows start: where the entity or the table changes."""
    tables = np.cumsum([0, *lengths[:-1]])
    starts: IntArray = np.union1d(run_starts(codes), tables[tables < len(codes)])
    return starts


def _last_of_each(codes: IntArray) -> IntArray:
    """Give the last position of each distinct code."""
    _, first_from_the_end = np.unique(codes[::-1], return_index=True)
    last: IntArray = len(codes) - 1 - first_from_the_end
    return last


def _ranges(starts: IntArray, stops: IntArray) -> IntArray:
    """Give the integers of all half-open ranges, one range after the other."""
    sizes = stops - starts
    offsets = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    ranges: IntArray = offsets + np.arange(int(sizes.sum()))
    return ranges


def _canonical(table: pa.Table) -> pa.Table:
    """Give the table with dictionaries of the texts in use, in order of first appearance."""
    table = single_chunk(table)
    columns = [
        _in_order_of_appearance(table[field.name].chunk(0), codes_of(table, field.name))
        if field.name in TEXTS and table.num_rows
        else table[field.name]
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _in_order_of_appearance(column: pa.DictionaryArray, codes: IntArray) -> pa.DictionaryArray:
    distinct, first, position = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    order = order[distinct[order] >= 0]
    rank = np.full(len(distinct), -1, np.int32)
    rank[order] = np.arange(len(order))
    recoded = rank[position]
    return pa.DictionaryArray.from_arrays(
        pa.array(recoded, mask=recoded < 0), column.dictionary.take(pa.array(distinct[order]))
    )
