"""The bytes of a coefficient file: parquet, the same for the same rows under one release of pyarrow."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from lambda_learner.publish.coefficients import Update
from lambda_learner.publish.errors import DamagedCoefficients, NewerFormat
from lambda_learner.publish.merge import single_chunk
from lambda_learner.publish.row_builder import encode
from lambda_learner.publish.rows import NOISE, OPTIONAL, SCHEMA, TEXTS, decode

__all__ = [
    "FORMAT_VERSION",
    "decode_table",
    "from_parquet",
    "table_from_bytes",
    "table_to_bytes",
    "to_parquet",
]

FORMAT_VERSION = 2
_NOISE_VERSION = 2  # of a file with the columns of the noise: a release that knows only 1 would learn on without them
_VERSION_KEY = b"lambda_learner.format_version"
# All that shapes the bytes is fixed here, not left to a release's defaults.
_WRITER_OPTIONS = {
    "version": "2.6",
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": list(TEXTS),
    "dictionary_pagesize_limit": 64 * 1024 * 1024,  # bytes; long texts stay in their dictionary
    "data_page_size": 1024 * 1024,  # bytes
    "data_page_version": "1.0",
    "write_statistics": False,  # would hold whole texts
    "write_page_checksum": True,
    "store_schema": True,  # without it the format version is not written either
}
_ROW_GROUP_ROWS = 1024 * 1024
_UNREADABLE = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError)


def to_parquet(updates: Iterable[Update]) -> bytes:
    """Give the file of the updates."""
    return table_to_bytes(encode(updates))


def from_parquet(data: bytes, key: str = "coefficients") -> list[Update]:
    """Give a file's updates in order of entity; DamagedCoefficients or NewerFormat name the key."""
    return decode_table(table_from_bytes(data, key), key)


def decode_table(table: pa.Table, key: str) -> list[Update]:
    """Give the updates of the rows of the file under `key`, or of a merge that ends with it."""
    try:
        return decode(table)
    except _UNREADABLE as error:
        raise DamagedCoefficients(key, f"its rows don't fit together ({error})") from error


def table_to_bytes(table: pa.Table) -> bytes:
    """Give the file of a table's rows, in the oldest format that can hold them.

    The columns of factors and of the noise are left out where they are empty.
    """
    table = table.drop_columns([name for name in OPTIONAL if table[name].null_count == table.num_rows])
    version = 1 if set(NOISE).isdisjoint(table.column_names) else _NOISE_VERSION
    table = table.replace_schema_metadata({_VERSION_KEY: str(version)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=_ROW_GROUP_ROWS, **_WRITER_OPTIONS)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def table_from_bytes(data: bytes, key: str) -> pa.Table:
    """Give a file's rows as a table of one chunk; DamagedCoefficients or NewerFormat name the key."""
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data),
            read_dictionary=list(TEXTS),
            page_checksum_verification=True,
            pre_buffer=False,
        )
        version = int((file.schema_arrow.metadata or {})[_VERSION_KEY])
        if version > FORMAT_VERSION:
            raise NewerFormat(key, version, FORMAT_VERSION)
        return _with_schema(file.read(use_threads=False))
    except _UNREADABLE as error:
        raise DamagedCoefficients(key, f"it cannot be read as parquet of coefficients ({error})") from error


def _with_schema(table: pa.Table) -> pa.Table:
    for field in [SCHEMA.field(name) for name in OPTIONAL if name not in table.column_names]:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return single_chunk(table.select(SCHEMA.names).replace_schema_metadata(None).cast(SCHEMA))
