"""Join stage: a window on the deadline, in the JVM, where decisions and rewards of one id meet.

The rule of it, `lambda_learner/join.py`, is applied where the joined rows are read: in learn.

Keyed state: one accumulator per (model, key, window), dropped when the window fires. Timers: the end of each window.
A window ends at its `close`: the rowtime is close - 1 ms, and closes are whole seconds.
"""

from __future__ import annotations

from pyflink.table import Schema


def fields_sql(chunks: str) -> str:
    """The fields of each row in the chunks, cut once: SUBSTRING counts all characters of the text each time."""
    return f"""
SELECT SPLIT(line, U&'\\001F') AS fields
FROM {chunks} CROSS JOIN UNNEST(SPLIT(text, U&'\\001E')) AS T(line)"""


def rows_sql(fields: str, out_of_orderness_ms: int) -> str:
    """Their columns, with the window's time and what each row brings the watermark to."""
    return f"""
SELECT TO_TIMESTAMP_LTZ(CAST(fields[1] AS BIGINT), 3) AS rowtime,
       TO_TIMESTAMP_LTZ(CAST(fields[2] AS BIGINT) - {out_of_orderness_ms}, 3) AS clock,
       fields[3] AS id, fields[4] AS model_name, fields[5] AS note, fields[6] AS content
FROM {fields}"""


def rows_schema() -> Schema:
    """The columns of `rows_sql`, with the watermark."""
    columns = Schema.new_builder().column("rowtime", "TIMESTAMP_LTZ(3)").column("clock", "TIMESTAMP_LTZ(3)")
    for name in ("id", "model_name", "note", "content"):
        columns = columns.column(name, "STRING")
    return columns.watermark("rowtime", "clock").build()


def join_sql(rows: str) -> str:
    """One row a key and window: the content with the greatest payload, and the notes of all copies.

    Contents compare as payloads do: the separators behind those sort before any character of JSON.
    """
    return f"""
SELECT window_start, window_end, model_name, id,
       MAX(content) AS content, LISTAGG(note, U&'\\001D') AS notes
FROM TABLE(TUMBLE((SELECT * FROM {rows} WHERE id <> 'H'), DESCRIPTOR(rowtime), INTERVAL '1' SECOND))
GROUP BY window_start, window_end, model_name, id"""


def late_sql(rows: str) -> str:
    """The rows whose window has closed before they came."""
    late = "rowtime <= CURRENT_WATERMARK(rowtime) AND id <> 'H'"
    return f"SELECT EXTRACT(EPOCH FROM rowtime), id, model_name, note, content FROM {rows} WHERE {late}"
