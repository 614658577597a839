"""Keyed streams, streams of table rows and side outputs without the hop through Python that PyFlink adds to each."""

from __future__ import annotations

from typing import Any

from pyflink.common import Types
from pyflink.common.typeinfo import RowTypeInfo
from pyflink.datastream import DataStream, KeyedStream, OutputTag
from pyflink.java_gateway import get_gateway


def keyed_by_first(stream: DataStream, row_type: RowTypeInfo) -> KeyedStream:
    """Key a stream of rows (key text, value), of the given type: functions on it get the value.

    `DataStream.key_by` turns each element into such a row in Python, 15 µs each; here SQL, or the function before, has
    made it so. The key selector is the one that `key_by` uses.
    """
    selector = get_gateway().jvm.KeyByKeySelector()
    key_type = Types.ROW([Types.STRING()]).get_java_type_info()
    value_type = row_type.get_field_types()[1]
    return KeyedStream(stream._j_data_stream.keyBy(selector, key_type), value_type, stream)


def table_rows(tables: Any, query: str, row_type: RowTypeInfo) -> DataStream:
    """The rows of a query as a stream of a DataStream type: keyed Python functions refuse a table's own type."""
    stream = tables.to_data_stream(tables.sql_query(query))
    stream._j_data_stream.getTransformation().setOutputType(row_type.get_java_type_info())
    return stream


def internal_rows(tables: Any, query: str) -> DataStream:
    """The rows of a query as SQL has them in memory: back in a table none of their texts is decoded and encoded."""
    table = tables.sql_query(query)._j_table
    in_memory = _java_class("org.apache.flink.table.data.RowData")
    rows = table.getResolvedSchema().toPhysicalRowDataType().bridgedTo(in_memory)
    return DataStream(tables._j_tenv.toDataStream(table, rows))


def _java_class(name: str) -> Any:
    jvm = get_gateway().jvm
    return jvm.Class.forName(name, False, jvm.Thread.currentThread().getContextClassLoader())


def side_output(stream: DataStream, tag: OutputTag) -> DataStream:
    """A side output as the JVM has it; `get_side_output` adds a Python function that only hands each element on.

    It is worse than slow: in thread mode, PyArrow in a task that has several Python functions waits for ever for the
    interpreter's lock that its own thread holds. Learn and publish read and write Parquet.
    """
    return DataStream(stream._j_data_stream.getSideOutput(tag.get_java_output_tag()))
