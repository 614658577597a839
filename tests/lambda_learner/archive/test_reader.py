from __future__ import annotations

import random
from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.archive.errors import ArchiveChanging
from lambda_learner.archive.merge import merge
from lambda_learner.archive.partition import partition_file
from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.archive.rows import ArchiveRow, table_of
from lambda_learner.publish.store import FolderStore
from tests.harness.archive import MODEL, MemoryStore, a_decision, a_reward, an_id, merged_plainly, put_rows, rows_of

SECONDS = list(range(100))


def read(store: MemoryStore, settings: ReaderSettings | None = None) -> list[list[ArchiveRow]]:
    return [rows_of(batch) for batch in ArchiveReader(store, MODEL, settings)]


def in_order(batches: list[list[ArchiveRow]]) -> list[ArchiveRow]:
    """The rows in order of time; the batches come newest first."""
    return [row for batch in reversed(batches) for row in batch]


def test_an_empty_archive_gives_nothing() -> None:
    assert read(MemoryStore()) == []


def test_batches_come_newest_first_each_in_order_and_of_bounded_size() -> None:
    store = MemoryStore()
    for start in range(0, 100, 25):
        put_rows(store, [a_decision(an_id(second)) for second in range(start, start + 25)])
    batches = read(store, ReaderSettings(batch_rows=10))
    assert all(len(batch) <= 10 for batch in batches)
    assert [row.decision_id for row in in_order(batches)] == [an_id(second) for second in SECONDS]


def test_enough_rows_are_the_newest_and_older_files_are_not_read() -> None:
    store = MemoryStore()
    keys = [
        put_rows(store, [a_decision(an_id(second)) for second in range(start, start + 10)]) for start in SECONDS[::10]
    ]
    batches = read(store, ReaderSettings(max_rows=25, batch_rows=10))
    assert [row.decision_id for row in in_order(batches)] == [an_id(second) for second in range(75, 100)]
    assert not set(keys[:6]) & set(store.reads)


@pytest.mark.parametrize("max_rows", [1, 10, 99, 100, 101])
def test_exactly_the_wanted_rows_are_given(max_rows: int) -> None:
    store = MemoryStore()
    put_rows(store, [a_decision(an_id(second)) for second in SECONDS])
    batches = read(store, ReaderSettings(max_rows=max_rows, batch_rows=7))
    assert sum(map(len, batches)) == min(max_rows, 100)


def test_partial_rows_are_left_out_and_counted_unless_asked_for() -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(1)), a_reward(an_id(2), an_id(5))]
    put_rows(store, rows)
    reader = ArchiveReader(store, MODEL)
    assert rows_of(reader) == rows[:1]
    assert reader.skipped == Counter(partial_rows=1)
    assert in_order(read(store, ReaderSettings(partial_rows=True))) == rows


def test_partial_rows_do_not_count_towards_the_wanted_rows() -> None:
    store = MemoryStore()
    put_rows(store, [a_decision(an_id(second)) for second in range(10)])
    put_rows(store, [a_reward(an_id(second), an_id(90)) for second in range(20, 60)])
    assert sum(map(len, read(store, ReaderSettings(max_rows=10, batch_rows=5)))) == 10


def test_a_decision_and_its_late_reward_in_another_file_are_one_row() -> None:
    store = MemoryStore()
    put_rows(store, [a_decision(an_id(second)) for second in SECONDS])
    put_rows(store, [a_reward(an_id(3), an_id(500)), a_decision(an_id(200))])
    rows = in_order(read(store, ReaderSettings(batch_rows=5)))
    assert len(rows) == 101
    assert [row.decision_id for row in rows if row.reward] == [an_id(3)]


ROWS = st.lists(
    st.builds(
        lambda second, number: a_decision(an_id(second, number), item=number), st.integers(0, 30), st.integers(0, 3)
    )
    | st.builds(
        lambda second, number: a_reward(an_id(second, number % 4), an_id(40, number)),
        st.integers(0, 30),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=60,
)


@given(ROWS, st.integers(1, 12), st.integers(1, 9), st.integers(1, 40))
def test_any_files_and_any_buffer_give_each_row_once_in_order(
    rows: list[ArchiveRow], file_rows: int, batch_rows: int, max_buffer_rows: int
) -> None:
    store = MemoryStore()
    for start in range(0, len(rows), file_rows):
        put_rows(store, rows[start : start + file_rows])
    batches = read(store, ReaderSettings(None, batch_rows, max_buffer_rows, partial_rows=True))
    assert in_order(batches) == merged_plainly(rows)


def test_rows_in_waiting_stay_within_the_buffer_where_all_files_overlap() -> None:
    store, rng = MemoryStore(), random.Random(1)
    rows = [a_decision(an_id(number), item=number) for number in range(2000)]
    mixed = rng.sample(rows, len(rows))
    for start in range(0, 2000, 50):
        put_rows(store, mixed[start : start + 50])
    batches = list(ArchiveReader(store, MODEL, ReaderSettings(batch_rows=2000, max_buffer_rows=200)))
    assert [row for batch in reversed(batches) for row in rows_of(batch)] == rows
    assert max(batch.num_rows for batch in batches) <= 300 + 50


def test_damaged_files_and_bad_rows_are_skipped_and_counted_once() -> None:
    store = MemoryStore()
    rows = [a_decision(an_id(second)) for second in range(30)]
    for start in range(0, 30, 5):
        put_rows(store, rows[start : start + 5])
    store.objects[min(store.objects)] = b"damaged"
    file = partition_file(MODEL, table_of([a_decision(an_id(0)), a_decision(an_id(29))._replace(item="{")]))
    store.objects[file.key] = file.data
    reader = ArchiveReader(store, MODEL, ReaderSettings(batch_rows=3, max_buffer_rows=6))
    given_rows = sorted(row.decision_id for row in rows_of(reader))
    assert given_rows == [an_id(0), *(row.decision_id for row in rows[5:])]
    assert reader.skipped == Counter(damaged_files=1, bad_rows=1)


def test_rows_newer_than_the_name_of_their_file_are_counted_when_they_come_too_late() -> None:
    store = MemoryStore()
    for second in SECONDS:
        put_rows(store, [a_decision(an_id(second))])
    liar = partition_file(MODEL, merge([table_of([a_decision(an_id(2)), a_decision(an_id(3))])]))
    store.objects[liar.key] = partition_file(MODEL, table_of([a_decision(an_id(90, 1))])).data
    reader = ArchiveReader(store, MODEL, ReaderSettings(batch_rows=5))
    assert len(rows_of(reader)) == 100
    assert reader.skipped == Counter(misplaced_rows=1)


def test_a_reader_can_be_read_again() -> None:
    store = MemoryStore()
    put_rows(store, [a_decision(an_id(1)), a_reward(an_id(2), an_id(3))])
    reader = ArchiveReader(store, MODEL)
    assert rows_of(reader) == rows_of(reader)
    assert reader.skipped == Counter(partial_rows=1)


def test_a_row_that_moves_while_the_archive_is_listed_is_given() -> None:
    store = MemoryStore()
    middle = put_rows(store, [a_decision(an_id(50_000))])
    late = put_rows(store, [a_decision(an_id(90_000))])

    def move(listed: str) -> None:
        """Behind the walk's place the row is written, before it it is deleted."""
        if listed == middle and late in store.objects:
            store.objects[middle.replace("20231115T", "20231114T", 1)] = store.objects[middle]
            store.objects[late.replace("2023/11/15", "2023/11/14")] = store.objects.pop(late)

    store.while_listing = move
    assert sorted(row.decision_id for row in in_order(read(store))) == [an_id(50_000), an_id(90_000)]


def test_a_file_that_vanishes_without_end_is_an_error() -> None:
    store = MemoryStore()
    key = put_rows(store, [a_decision(an_id(1))])
    data, names = store.objects[key], (key.replace("-1-", f"-{number}-") for number in count(2))

    def move(read_key: str) -> None:
        store.objects[next(names)] = store.objects.pop(read_key, data)

    store.before_get = move
    with pytest.raises(ArchiveChanging, match="wait until compaction has ended"):
        read(store)


def test_a_folder_is_read_as_any_store(tmp_path: object) -> None:
    store = FolderStore(str(tmp_path))
    file = partition_file(MODEL, table_of([a_decision(an_id(1))]))
    store.put(file.key, file.data)
    assert rows_of(ArchiveReader(store, MODEL)) == [a_decision(an_id(1))]
