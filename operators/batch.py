"""Batch stage: the joined rows of one window, gathered by (model, entity), in the JVM.

Keyed state: one accumulator per (model, group, window); a group is an entity, or one of 62 chunks of the rows without
an entity of their own, by the last character of their id: so no key is hot and no text is huge.
"""

from __future__ import annotations


def batch_sql(joined: str) -> str:
    """One row for each group and window: the key of learn, and model F entity F close in ms F joined rows.

    The rows are gathered as an array: LISTAGG would copy all that it has with each row.
    """
    entity = "NULLIF(SPLIT_INDEX(grp, U&'\\001B', 0), '')"
    chunk = "CONCAT(U&'\\001B', SUBSTRING(id, 28, 1))"  # of rewards without a decision
    return f"""
SELECT CONCAT(model_name, U&'\\001F', COALESCE({entity}, grp)) AS `key`,
       CONCAT(model_name, U&'\\001F', COALESCE({entity}, ''), U&'\\001F',
              CAST(EXTRACT(EPOCH FROM window_end) * 1000 AS STRING), U&'\\001F',
              ARRAY_JOIN(ARRAY_AGG(joined), U&'\\001E')) AS batch
FROM (SELECT window_start, window_end, model_name,
             COALESCE(SPLIT(content, U&'\\001C')[2], {chunk}) AS grp,
             CONCAT(id, COALESCE(content, ''), U&'\\001F', notes) AS joined
      FROM {joined})
GROUP BY window_start, window_end, model_name, grp"""
