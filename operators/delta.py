"""Delta stage: the newest states of one publish interval, gathered by shard, in the JVM.

Keyed state: one accumulator per (shard, entity, interval), then one per (shard, interval). An interval ends at its last
close, as a window does: the rowtime of an update is its window's close - 1 ms. Watermarks are those of learn.
"""

from __future__ import annotations

from pyflink.table import Schema

_ALL = "ARRAY_JOIN(ARRAY_AGG(CONCAT(entity, U&'\\001F', newest)), U&'\\001E') AS updates"


def updates_schema() -> Schema:
    """The columns of `learn.UPDATE_TYPE`, with the time of an update."""
    columns = Schema.new_builder().column("shard", "STRING").column("entity", "STRING").column("close_ms", "BIGINT")
    columns = columns.column("state", "STRING")
    columns = columns.column_by_expression("rowtime", "TO_TIMESTAMP_LTZ(close_ms - 1, 3)")
    return columns.watermark("rowtime", "SOURCE_WATERMARK()").build()


def deltas_sql(updates: str, interval_ms: int) -> str:
    """One row for each shard and interval with updates: the shard, the interval's end in ms, the newest states."""
    seconds = str(interval_ms // 1000)
    window = f"TUMBLE(TABLE {updates}, DESCRIPTOR(rowtime), INTERVAL '{seconds}' SECOND({len(seconds)}))"
    return f"""
SELECT shard, EXTRACT(EPOCH FROM window_end) * 1000 AS end_ms, {_ALL}
FROM (SELECT window_start, window_end, shard, entity, MAX(state) AS newest
      FROM TABLE({window}) GROUP BY window_start, window_end, shard, entity)
GROUP BY window_start, window_end, shard"""


def last_states_sql(updates: str) -> str:
    """One row a shard at the end of a bounded input: the shard, 0, the newest states of all."""
    return f"""
SELECT shard, CAST(0 AS BIGINT) AS end_ms, {_ALL}
FROM (SELECT shard, entity, MAX(state) AS newest FROM {updates} GROUP BY shard, entity)
GROUP BY shard"""
