"""Tables of the archive become blocks that do not depend on how the rows were cut into tables."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.archive.rows import ArchiveRow, table_of
from lambda_learner.retrain.errors import ForeignRows
from lambda_learner.retrain.rows import BlockSize, decision_rows
from tests.harness.archived_rows import NONE, row, table

ROWS = [row(n, "x" * (n * 7 % 50), context=None if n % 3 else {"a": n}) for n in range(60)]
ROWS[10] = row(10, NONE, context=NONE, count=None)


def blocks(*tables: pa.Table, max_rows: int | None = None, size: BlockSize | None = None) -> list[pa.Table]:
    return list(decision_rows(tables, size or BlockSize(7, 300), max_rows=max_rows, set_aside=Counter()))


@given(st.lists(st.integers(0, 60), max_size=8))
def test_the_cut_into_tables_does_not_matter(cuts: list[int]) -> None:
    whole, bounds = table(ROWS), [0, *sorted(cuts), 60]
    pieces = [whole.slice(start, end - start) for start, end in zip(bounds, bounds[1:], strict=False)]
    assert [block.to_pylist() for block in blocks(*pieces)] == [block.to_pylist() for block in blocks(whole)]


def test_a_block_has_at_most_so_many_rows_and_bytes() -> None:
    found = blocks(table(ROWS))
    assert max(block.num_rows for block in found) <= 7
    for block in found:
        texts = [*block["item"].to_pylist(), *block["context"].to_pylist()]
        assert sum(map(len, texts)) <= 300
    assert sum(block.num_rows for block in found) == 59


def test_a_row_over_the_bytes_is_a_block_of_its_own() -> None:
    found = blocks(table([row(0, "x" * 1000), row(1, "y"), row(2, "z" * 1000)]))
    assert [block.num_rows for block in found] == [1, 1, 1]


def test_only_the_first_decisions_are_taken_and_no_more_tables_are_read() -> None:
    def tables() -> object:
        yield table(ROWS[:30])
        raise AssertionError

    found = list(decision_rows(tables(), BlockSize(7, 300), max_rows=20, set_aside=Counter()))  # type: ignore[arg-type]
    assert sum(block.num_rows for block in found) == 20


def test_rewards_without_a_decision_are_counted_and_left_out() -> None:
    set_aside = Counter[str]()
    found = list(decision_rows([table(ROWS)], BlockSize(99, 9999), max_rows=None, set_aside=set_aside))
    assert set_aside == {"partial": 1}
    assert found[0].num_rows == 59


def test_texts_of_other_arrow_types_are_read_too() -> None:
    plain = table(ROWS[:5])
    large = plain.set_column(1, "item", plain["item"].cast(pa.large_string()))
    coded = large.set_column(2, "context", large["context"].dictionary_encode())
    ordered = coded.select(["reward", "rewards", "sample", "count", "context", "item", "decision_id"])
    assert blocks(ordered)[0].to_pylist() == blocks(plain)[0].to_pylist()


def test_a_table_without_a_column_is_refused_by_its_name() -> None:
    with pytest.raises(ForeignRows, match="rewards is missing"):
        blocks(table(ROWS).drop_columns(["rewards"]))


def test_a_column_of_another_type_is_refused() -> None:
    wrong = table(ROWS).set_column(3, "count", pa.array(["many"] * 60))
    with pytest.raises(ForeignRows, match="a count as number"):
        blocks(wrong)


def test_no_tables_are_no_blocks() -> None:
    assert blocks() == []
    assert blocks(table([])) == []


def test_rows_as_our_archive_writes_them_are_read() -> None:
    archived = ArchiveRow("0" * 27, '{"a":1}', "null", 3.0, "null", '{"m":1.0}', 1.0, runners_up='["x"]')
    (block,) = blocks(table_of([archived, ArchiveRow("1" * 27, rewards='{"m":1.0}', reward=1.0)]))
    assert block.to_pylist() == [
        {
            "decision_id": b"0" * 27, "item": b'{"a":1}', "context": b"null", "count": 3.0, "sample": b"null",
            "rewards": b'{"m":1.0}', "runners_up": b'["x"]', "propensity": None,
        }
    ]  # fmt: skip
