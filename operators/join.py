"""Join stage: a window on the deadline, in the JVM, where decisions and rewards of one id meet.

The rule of it, `lambda_learner/join.py`, is applied where the joined rows are read: in learn.

Keyed state: one accumulator per (model, key, window), dropped when the window fires. Timers: the end of each window.
A window ends at its `close`: the rowtime is close - 1 ms, and closes are whole seconds.
"""

from __future__ import annotations

from pyflink.table import Schema

# Positions in a row's text (operators/rows.py), from 1 as SQL counts.
MODEL_LENGTH = "CAST(SUBSTRING(line, 55, 2) AS INT)"
NOTE_LENGTH = "CAST(SUBSTRING(line, 57, 2) AS INT)"


def rows_sql(chunks: str, out_of_orderness_ms: int) -> str:
    """Rows out of chunks: the window's time, what each row brings the watermark to (`clock`), its text.

    The text is cut later: each column would be decoded and encoded once more on the way into the next query.
    """
    return f"""
SELECT TO_TIMESTAMP_LTZ(CAST(SUBSTRING(line, 1, 13) AS BIGINT), 3) AS rowtime,
       TO_TIMESTAMP_LTZ(CAST(SUBSTRING(line, 14, 13) AS BIGINT) - {out_of_orderness_ms}, 3) AS clock,
       line
FROM {chunks} CROSS JOIN UNNEST(SPLIT(text, U&'\\001E')) AS T(line)"""


def rows_schema() -> Schema:
    """The columns of `rows_sql`, with the window's time and the watermark."""
    columns = Schema.new_builder().column("rowtime", "TIMESTAMP_LTZ(3)").column("clock", "TIMESTAMP_LTZ(3)")
    return columns.column("line", "STRING").watermark("rowtime", "clock").build()


def lines_sql(rows: str) -> str:
    """The columns of each row that enters a window."""
    return f"""
SELECT rowtime, SUBSTRING(line, 27, 28) AS id,
       SUBSTRING(line, 59, {MODEL_LENGTH}) AS model_name,
       SUBSTRING(line, 59 + {MODEL_LENGTH}, {NOTE_LENGTH}) AS note,
       NULLIF(SUBSTRING(line, 59 + {MODEL_LENGTH} + {NOTE_LENGTH}), '') AS payload_entity
FROM {rows} WHERE SUBSTRING(line, 27, 1) <> 'H'"""


def join_sql(lines: str) -> str:
    """One row a key and window: the greatest payload with the entity of it, and the notes of all copies.

    The payload that wins is the greatest text; FIELD sorts before any character of JSON, so the entity behind it
    never decides between different payloads.
    """
    return f"""
SELECT window_start, window_end, model_name, id,
       MAX(payload_entity) AS payload_entity, LISTAGG(note, U&'\\001D') AS notes
FROM TABLE(TUMBLE(TABLE {lines}, DESCRIPTOR(rowtime), INTERVAL '1' SECOND))
GROUP BY window_start, window_end, model_name, id"""


def late_sql(rows: str) -> str:
    """The texts of the rows whose window has closed before they came."""
    return f"SELECT line FROM {rows} WHERE rowtime <= CURRENT_WATERMARK(rowtime) AND SUBSTRING(line, 27, 1) <> 'H'"
