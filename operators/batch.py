"""Batch stage: the joined rows of one window, gathered by (model, entity), in the JVM.

Keyed state: one accumulator per (model, entity, chunk, window). Rows without an entity of their own are spread over
62 chunks by the last character of their id, so that no key is hot and no text is huge.
"""

from __future__ import annotations

from operators.parse import ONE_ENTITY


def batch_sql(joined: str) -> str:
    """One row for each entity (or chunk) and window: its key, and (model, entity, close in ms, joined rows)."""
    spread = f"entity IS NULL OR entity = '{ONE_ENTITY}'"
    return f"""
SELECT CONCAT(model_name, U&'\\001F', COALESCE(entity, chunk)) AS `key`, ROW(model_name, entity,
       EXTRACT(EPOCH FROM window_end) * 1000,
       LISTAGG(CONCAT(id, COALESCE(payload, ''), U&'\\001F', notes), U&'\\001E')) AS batch
FROM (SELECT *, CASE WHEN {spread} THEN SUBSTRING(id, 28, 1) ELSE '' END AS chunk FROM (
  SELECT window_start, window_end, model_name, id, notes,
         SPLIT_INDEX(payload_entity, U&'\\001F', 0) AS payload,
         NULLIF(SPLIT_INDEX(payload_entity, U&'\\001F', 1), '') AS entity
  FROM {joined}))
GROUP BY window_start, window_end, model_name, entity, chunk"""
