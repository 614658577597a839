"""Join stage: a window on the deadline, in the JVM. Decisions and rewards of one id meet here; the rule is applied in learn.

Keyed state: one accumulator per (model, key, window), dropped when the window fires. Timers: the end of each window.
A window ends at its `close`: the rowtime is close - 1 ms, and closes are whole seconds.
"""

from __future__ import annotations

from pyflink.table import Schema

SECONDS_OF_ROWTIME = "TO_TIMESTAMP_LTZ(CAST(SUBSTRING(line, {start}, 13) AS BIGINT), 3)"


def lines_sql(chunks: str) -> str:
    """Rows out of chunks, cut into the columns of `operators/rows.py`."""
    fields = "SUBSTRING(line, 55)"
    return f"""
SELECT {SECONDS_OF_ROWTIME.format(start=1)} AS rowtime, {SECONDS_OF_ROWTIME.format(start=14)} AS event_time,
       SUBSTRING(line, 27, 28) AS id,
       SPLIT_INDEX({fields}, U&'\\001F', 0) AS model_name,
       NULLIF(SPLIT_INDEX({fields}, U&'\\001F', 1), '') AS payload,
       NULLIF(SPLIT_INDEX({fields}, U&'\\001F', 2), '') AS entity,
       SPLIT_INDEX({fields}, U&'\\001F', 3) AS note
FROM {chunks} CROSS JOIN UNNEST(SPLIT(text, U&'\\001E')) AS T(line)"""


def lines_schema(out_of_orderness_ms: int) -> Schema:
    """The columns of `lines_sql` with the watermark: event time less the out-of-orderness."""
    seconds = out_of_orderness_ms / 1000
    builder = Schema.new_builder().column("rowtime", "TIMESTAMP_LTZ(3)").column("event_time", "TIMESTAMP_LTZ(3)")
    for name in ("id", "model_name", "payload", "entity", "note"):
        builder = builder.column(name, "STRING")
    return builder.watermark("rowtime", f"event_time - INTERVAL '{seconds:.3f}' SECOND(9, 3)").build()


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
WHERE SUBSTRING(id, 1, 1) <> 'H'
GROUP BY window_start, window_end, model_name, id"""


def late_sql(lines: str) -> str:
    """The rows whose window has closed before they came, as JSON lines."""
    return f"""
SELECT JSON_OBJECT('model' VALUE model_name, 'id' VALUE SUBSTRING(id, 2), 'kind' VALUE SUBSTRING(note, 1, 1),
                   'note' VALUE note, 'payload' VALUE payload, 'close' VALUE CAST(rowtime AS STRING)) AS line
FROM {lines} WHERE SUBSTRING(id, 1, 1) <> 'H' AND rowtime <= CURRENT_WATERMARK(rowtime)"""
