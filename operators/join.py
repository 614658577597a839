"""Join stage: a window on the deadline, in the JVM. Decisions and rewards of one id meet here; the rule is applied in learn.

Keyed state: one accumulator per (model, key, window), dropped when the window fires. Timers: the end of each window.
A window ends at its `close`: the rowtime is close - 1 ms, and closes are whole seconds.
"""

from __future__ import annotations

from pyflink.table import Schema

COLUMNS = ("id", "model_name", "payload", "entity", "note")


def lines_sql(chunks: str, out_of_orderness_ms: int) -> str:
    """Rows out of chunks, cut into the columns of `operators/rows.py`; a row brings the watermark to `clock`."""
    fields = "SUBSTRING(line, 55)"
    return f"""
SELECT TO_TIMESTAMP_LTZ(CAST(SUBSTRING(line, 1, 13) AS BIGINT), 3) AS rowtime,
       TO_TIMESTAMP_LTZ(CAST(SUBSTRING(line, 14, 13) AS BIGINT) - {out_of_orderness_ms}, 3) AS clock,
       SUBSTRING(line, 27, 28) AS id,
       SPLIT_INDEX({fields}, U&'\\001F', 0) AS model_name,
       NULLIF(SPLIT_INDEX({fields}, U&'\\001F', 1), '') AS payload,
       NULLIF(SPLIT_INDEX({fields}, U&'\\001F', 2), '') AS entity,
       SPLIT_INDEX({fields}, U&'\\001F', 3) AS note
FROM {chunks} CROSS JOIN UNNEST(SPLIT(text, U&'\\001E')) AS T(line)"""


def lines_schema() -> Schema:
    """The columns of `lines_sql`, with the window's time and the watermark."""
    builder = Schema.new_builder().column("rowtime", "TIMESTAMP_LTZ(3)").column("clock", "TIMESTAMP_LTZ(3)")
    for name in COLUMNS:
        builder = builder.column(name, "STRING")
    return builder.watermark("rowtime", "clock").build()


def join_sql(lines: str) -> str:
    """One row a key and window: the greatest payload with the entity of it, and the notes of all copies.

    The payload that wins is the greatest text; FIELD sorts before any character of JSON, so the entity behind it
    never decides between different payloads.
    """
    return f"""
SELECT window_start, window_end, model_name, id,
       MAX(CONCAT(payload, U&'\\001F', COALESCE(entity, ''))) AS payload_entity,
       LISTAGG(note, U&'\\001D') AS notes
FROM TABLE(TUMBLE(TABLE {lines}, DESCRIPTOR(rowtime), INTERVAL '1' SECOND))
WHERE model_name <> ''
GROUP BY window_start, window_end, model_name, id"""


def late_sql(lines: str) -> str:
    """The rows whose window has closed before they came, as JSON lines.

    The text is put together by hand: JSON_OBJECT would be worked out for every row, late or not, for 15 µs each.
    """
    return f"""
SELECT CONCAT('{{"kind":"', SUBSTRING(note, 1, 1), '","model":"', model_name, '","id":"', SUBSTRING(id, 2),
              '","note":"', note, '","payload":', COALESCE(payload, 'null'), '}}') AS line
FROM {lines} WHERE model_name <> '' AND rowtime <= CURRENT_WATERMARK(rowtime)"""
