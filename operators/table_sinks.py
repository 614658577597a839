"""Sinks to topics and streams: each output's texts, sent through a table of one of Flink's connectors.

State: the connector's own (of Kafka, transactions that are yet to be committed). Those are committed with checkpoints,
so whoever reads what is committed only has each record exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyflink.datastream import DataStream

from operators.tables import TableSink, create_table, insert_sql

__all__ = ["send"]


def send(tables: Any, streams: Mapping[str, DataStream], sinks: Sequence[TableSink]) -> None:
    """Send the outputs that have a sink."""
    statements = tables.create_statement_set()
    for sink in sinks:
        table = f"{sink.output}_{sink.options['connector']}"
        texts = f"{table}_texts"
        tables.create_temporary_view(texts, tables.from_data_stream(streams[sink.output]).alias("text"))
        tables.execute_sql(create_table(table, sink.options, keyed=sink.is_keyed))
        statements.add_insert_sql(insert_sql(sink, texts, table))
    statements.attach_as_datastream()
