from __future__ import annotations

import pytest

from lambda_learner.archive.chunks import chunks, cuts
from lambda_learner.archive.merge import merge
from lambda_learner.archive.partition import first_id
from lambda_learner.archive.rows import SCHEMA, ArchiveRow, table_of
from lambda_learner.events import ksuid
from tests.harness.archive import START_S, an_id, rows_of


def seconds_of(counts: list[int]) -> list[ArchiveRow]:
    """As many rows in each second as its count says."""
    return [ArchiveRow(an_id(second, number)) for second, count in enumerate(counts) for number in range(count)]


def test_rows_that_fit_are_one_file() -> None:
    rows = seconds_of([1] * 10)
    assert [rows_of(chunk) for chunk in chunks(table_of(rows), 10)] == [rows]


def test_no_rows_are_no_file() -> None:
    assert list(chunks(SCHEMA.empty_table(), 10)) == []


@pytest.mark.parametrize("rows", [11, 19, 20, 21, 99, 1000])
def test_files_are_of_about_equal_size_and_none_is_under_half(rows: int) -> None:
    sizes = [chunk.num_rows for chunk in chunks(table_of(seconds_of([1] * rows)), 10)]
    assert sum(sizes) == rows
    assert max(sizes) <= 10
    assert min(sizes) >= 5


@pytest.mark.parametrize("counts", [[3] * 20, [1, 40, 1], [40], [40, 40], [9, 9, 1, 1, 25, 2]])
def test_no_second_is_in_two_files_and_no_row_is_lost(counts: list[int]) -> None:
    rows = seconds_of(counts)
    parts = [rows_of(chunk) for chunk in chunks(merge([table_of(rows)]), 10)]
    assert sum(parts, []) == rows
    seconds = [{ksuid.unix_seconds(row.decision_id) for row in part} for part in parts]
    assert all(one.isdisjoint(other) for one, other in zip(seconds, seconds[1:], strict=False))
    assert all(len(part) <= 10 or len(second) == 1 for part, second in zip(parts, seconds, strict=True))


def test_rows_are_counted_before_each_bound() -> None:
    table = table_of(seconds_of([2, 0, 3]))
    bounds = ["", first_id(START_S), first_id(START_S + 1), first_id(START_S + 2), an_id(2, 1), "~"]
    assert cuts(table, bounds) == [0, 0, 2, 2, 3, 5]
    assert cuts(SCHEMA.empty_table(), bounds) == [0] * len(bounds)
