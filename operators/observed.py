"""What the trigger stage sees: the joined decisions and the progressive loss of each model, a minute at a time, by SQL.

No element crosses between Python and the JVM for it: learn puts a head before the text of counts that it sends anyway,
and the heads are added up by the close of their window. So what is seen, and how it is grouped, depends on the events
alone. State: an accumulator per (model, minute), before the exchange and behind it.
"""

from __future__ import annotations

from typing import Any, Final

from pyflink.common import Types
from pyflink.datastream import DataStream
from pyflink.table import Schema

from operators.heads import MARK
from operators.jvm import table_rows

__all__ = ["OBSERVED_TYPE", "observations"]

OBSERVED_TYPE: Final = Types.ROW([Types.STRING(), Types.STRING()])  # the model, and what `observation_of` reads
# Heads are added up before the exchange; and by event time, not by the clock as counters are.
_OPTIONS: Final = {"table.optimizer.agg-phase-strategy": "TWO_PHASE", "table.exec.mini-batch.enabled": "false"}


def observations(tables: Any, texts: DataStream) -> DataStream:
    """The rows of all texts that have a head, of `OBSERVED_TYPE`."""
    for key, value in _OPTIONS.items():
        tables.get_config().set(key, value)
    tables.create_temporary_view("observed", tables.from_data_stream(texts, _schema()))
    return table_rows(tables, _sql("observed"), OBSERVED_TYPE)


def _schema() -> Schema:
    """The texts, with the time of those that have a head: the last ms of their window."""
    columns = Schema.new_builder().column("f0", "STRING")
    close = "TRY_CAST(SUBSTRING(f0, 2, 13) AS BIGINT)"
    columns = columns.column_by_expression("rowtime", f"TO_TIMESTAMP_LTZ({close} - 1, 3)")
    return columns.watermark("rowtime", "SOURCE_WATERMARK()").build()


def _sql(observed: str) -> str:
    """One row a model and minute: the model, and end of the minute in ms F decisions F records F loss."""
    return f"""
SELECT model_name AS `key`,
       CONCAT_WS(U&'\\001F', CAST(EXTRACT(EPOCH FROM window_end) * 1000 AS STRING), CAST(SUM(decisions) AS STRING),
                 CAST(SUM(records) AS STRING), CAST(SUM(loss) AS STRING)) AS observation
FROM TABLE(TUMBLE((
  SELECT rowtime, SPLIT_INDEX(SUBSTRING(f0, 51, 65), U&'\\001E', 0) AS model_name,
         CAST(SUBSTRING(f0, 15, 9) AS BIGINT) AS decisions, CAST(SUBSTRING(f0, 24, 9) AS BIGINT) AS records,
         CAST(SUBSTRING(f0, 33, 18) AS DOUBLE) AS loss
  FROM {observed} WHERE f0 LIKE '{MARK}%'), DESCRIPTOR(rowtime), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, model_name"""
