"""The bytes of a partition: parquet that the Gym's readers take, and a reader for theirs and for ours.

ZSTD, plain encoding, one row group, every column optional, no statistics: the same rows give the same bytes under
one release of pyarrow.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lambda_learner.archive.errors import DamagedPartition
from lambda_learner.archive.rows import EXTRAS, GYM_COLUMNS, SCHEMA

__all__ = ["MAX_ROW_GROUP_ROWS", "from_parquet", "to_parquet"]

MAX_ROW_GROUP_ROWS: Final = 64 * 1024 * 1024  # more than any file has: so one row group
_WRITER_OPTIONS: Final = {
    "version": "1.0",
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": False,
    "data_page_version": "1.0",
    "write_statistics": False,
    "store_schema": False,
    "row_group_size": MAX_ROW_GROUP_ROWS,
}
_UNREADABLE: Final = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError)


def to_parquet(table: pa.Table) -> bytes:
    """The file of a table's rows, in their order; extra columns only where there is a value."""
    empty = [name for name in table.column_names if name in EXTRAS and table[name].null_count == table.num_rows]
    sink = pa.BufferOutputStream()
    pq.write_table(table.drop_columns(empty), sink, **_WRITER_OPTIONS)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_parquet(data: bytes, key: str) -> pa.Table:
    """A file's rows with all columns, unchecked; DamagedPartition names the key.

    Columns are found by name: more are ignored, extra ones may be absent. Texts may be stored as binary, numbers
    as integers, and NaN is null, since pandas has no other number for it.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        names = set(file.schema_arrow.names)
        absent = [name for name in GYM_COLUMNS if name not in names]
        if absent:
            raise DamagedPartition(key, f"it has no column {', '.join(absent)}")
        table = file.read(columns=[name for name in SCHEMA.names if name in names], use_threads=False)
        present = dict(zip(table.column_names, table.columns, strict=True))
        columns = [_column(present.get(field.name), field, table.num_rows) for field in SCHEMA]
        return pa.Table.from_arrays(columns, schema=SCHEMA)
    except _UNREADABLE as error:
        raise DamagedPartition(key, f"it cannot be read as parquet of decisions ({error})") from error


def _column(column: pa.ChunkedArray | None, field: pa.Field, rows: int) -> pa.ChunkedArray | pa.Array:
    if column is None:
        return pa.nulls(rows, field.type)
    if field.type == pa.float64():
        numbers = column if column.type == field.type else column.cast(field.type)
        is_nan = pc.is_nan(numbers)
        return pc.if_else(is_nan, None, numbers) if pc.any(is_nan).as_py() else numbers
    if column.type == field.type:
        return column
    if pa.types.is_floating(column.type) and pc.all(pc.is_nan(column), min_count=0).as_py():
        return pa.nulls(rows, field.type)  # how pandas may store a column without any text
    if not _is_text(column.type):
        message = f"column {field.name} must hold texts, got {column.type}"
        raise ValueError(message)
    return column.cast(field.type)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    readable = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return pa.types.is_null(kind) or any(is_kind(kind) for is_kind in readable)
