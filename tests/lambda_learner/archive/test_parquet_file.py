from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lambda_learner.archive.errors import DamagedPartition
from lambda_learner.archive.parquet_file import from_parquet, to_parquet
from lambda_learner.archive.rows import GYM_COLUMNS, SCHEMA, table_of
from tests.harness.archive import a_decision, a_reward, an_id, rows_of

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden/fastparquet.json").read_text())["cases"]
ROWS = [a_decision(an_id(1), context={"é": "🎧"}), a_reward(an_id(2), an_id(3), 0.1)]


def as_file(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def with_column(name: str, values: pa.Array) -> pa.Table:
    table = table_of(ROWS)
    return table.set_column(table.column_names.index(name), name, values)


def test_what_is_written_is_read_back() -> None:
    assert rows_of(from_parquet(to_parquet(table_of(ROWS)), "k")) == ROWS


def test_the_same_rows_are_the_same_bytes_however_they_lie_in_memory() -> None:
    pieces = pa.concat_tables([table_of(ROWS[:1]), table_of([*ROWS, *ROWS]).slice(1, 1)])
    assert to_parquet(pieces) == to_parquet(table_of(ROWS))


def test_the_layout_is_the_gyms() -> None:
    file = pq.ParquetFile(pa.BufferReader(to_parquet(table_of(ROWS * 50_000))))
    assert file.metadata.num_row_groups == 1
    columns = [file.metadata.row_group(0).column(place) for place in range(file.metadata.num_columns)]
    assert [column.path_in_schema for column in columns] == list(GYM_COLUMNS)
    assert {column.compression for column in columns} == {"ZSTD"}
    assert not any("DICTIONARY" in encoding for column in columns for encoding in column.encodings)
    assert all(file.schema.column(place).max_definition_level == 1 for place in range(len(columns)))  # optional
    assert all(column.physical_type in {"BYTE_ARRAY", "DOUBLE"} for column in columns)


def test_an_extra_column_is_there_only_with_a_value_and_after_the_gyms() -> None:
    data = to_parquet(table_of([a_decision(an_id(1), propensity=0.5)]))
    assert pq.read_schema(pa.BufferReader(data)).names == [*GYM_COLUMNS, "propensity"]
    assert from_parquet(data, "k").schema == SCHEMA


@pytest.mark.parametrize("case", GOLDEN, ids=[case["case"] for case in GOLDEN])
def test_a_file_of_the_gym_is_read(case: dict[str, Any]) -> None:
    table = from_parquet(base64.b64decode(case["given"]), "k")
    assert table.select(GYM_COLUMNS).to_pylist() == case["expected"]
    assert table.schema == SCHEMA


@pytest.mark.parametrize(
    "data",
    [b"", b"PAR1", b"no parquet at all", to_parquet(table_of(ROWS))[:-9], b"\x00" * 5000],
    ids=["empty", "magic only", "text", "cut off", "zeros"],
)
def test_a_damaged_file_is_named(data: bytes) -> None:
    with pytest.raises(DamagedPartition, match="some/key"):
        from_parquet(data, "some/key")


def test_a_file_with_damage_inside_is_named() -> None:
    data = bytearray(to_parquet(table_of(ROWS)))
    data[20:60] = b"\xff" * 40
    with pytest.raises(DamagedPartition):
        from_parquet(bytes(data), "k")


def test_a_foreign_file_is_refused_by_the_column_that_it_lacks() -> None:
    with pytest.raises(DamagedPartition, match="no column rewards, reward"):
        from_parquet(as_file(table_of(ROWS).drop_columns(["rewards", "reward"])), "k")


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.list_(pa.int64())])
def test_texts_of_another_type_are_refused(kind: pa.DataType) -> None:
    value = [1] if pa.types.is_list(kind) else 1
    with pytest.raises(DamagedPartition, match="item must hold texts"):
        from_parquet(as_file(with_column("item", pa.array([value, None], kind))), "k")


def test_texts_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(DamagedPartition):
        from_parquet(as_file(with_column("item", pa.array([b"\xff\xfe", None], pa.binary()))), "k")


def test_counts_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DamagedPartition):
        from_parquet(as_file(with_column("count", pa.array(["many", None]))), "k")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_texts_may_be_stored_in_other_ways(kind: pa.DataType) -> None:
    item = pa.array([ROWS[0].item, None]).cast(kind)
    assert rows_of(from_parquet(as_file(with_column("item", item)), "k")) == ROWS


def test_counts_may_be_integers_and_nan_is_none() -> None:
    assert rows_of(from_parquet(as_file(with_column("count", pa.array([3, None], pa.int32()))), "k")) == ROWS
    assert rows_of(from_parquet(as_file(with_column("count", pa.array([3.0, float("nan")]))), "k")) == ROWS


def test_other_columns_and_another_order_do_no_harm() -> None:
    table = table_of(ROWS).append_column("index", pa.array([0, 1]))
    assert rows_of(from_parquet(as_file(table.select(table.column_names[::-1])), "k")) == ROWS


def test_a_file_without_rows_is_a_table_without_rows() -> None:
    assert from_parquet(to_parquet(SCHEMA.empty_table()), "k").num_rows == 0
