"""Compaction that dies at any of its changes, or meets another at any of its reads, neither loses nor doubles a row."""

from __future__ import annotations

import random

import pytest

from lambda_learner.archive.compaction import CompactionSettings, compact
from lambda_learner.archive.parquet_file import from_parquet
from lambda_learner.archive.partition import partitions
from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.archive.rows import ArchiveRow
from tests.harness.archive import (
    MODEL,
    Crash,
    MemoryStore,
    a_decision,
    a_reward,
    an_id,
    merged_plainly,
    put_rows,
    rows_of,
)

SMALL = CompactionSettings(max_file_rows=10, max_buffer_rows=60)
ROWS = [
    row
    for number in range(80)
    for row in (a_decision(an_id(number * 7 % 50, number)), a_reward(an_id(number * 7 % 50, number), an_id(99, number)))
]
EXPECTED = merged_plainly(ROWS)


def a_store() -> MemoryStore:
    store = MemoryStore()
    rows = random.Random(5).sample(ROWS, len(ROWS))
    for start in range(0, len(rows), 12):
        put_rows(store, rows[start : start + 12])
    return store


def stored(store: MemoryStore) -> list[ArchiveRow]:
    return rows_of(from_parquet(store.objects[file.key], file.key) for file in partitions(store, MODEL))


def by_id(rows: list[ArchiveRow]) -> list[ArchiveRow]:
    return sorted(rows, key=lambda row: row.decision_id)


def number_of_changes() -> int:
    store = a_store()
    compact(store, MODEL, SMALL)
    return store.changes


@pytest.mark.parametrize("crash_at", range(number_of_changes()))
def test_a_crash_at_any_change_loses_and_doubles_nothing(crash_at: int) -> None:
    store = a_store()
    store.crash_at = crash_at
    with pytest.raises(Crash):
        compact(store, MODEL, SMALL)
    assert merged_plainly(stored(store)) == EXPECTED  # what the crash left behind
    store.crash_at = None
    compact(store, MODEL, SMALL)
    assert by_id(stored(store)) == EXPECTED


@pytest.mark.parametrize("read", range(0, 30, 3))
def test_another_compaction_in_the_middle_of_one_does_no_harm(read: int) -> None:
    store = a_store()
    reads = 0

    def interrupt(_: str) -> None:
        nonlocal reads
        reads += 1
        if reads == read + 1:
            store.before_get = lambda key: None
            compact(store, MODEL, CompactionSettings(max_file_rows=16, max_buffer_rows=40))
            store.before_get = interrupt

    store.before_get = interrupt
    compact(store, MODEL, SMALL)
    store.before_get = lambda key: None
    assert merged_plainly(stored(store)) == EXPECTED
    compact(store, MODEL, SMALL)
    assert by_id(stored(store)) == EXPECTED


@pytest.mark.parametrize("crash_at", [0, 3, 9])
def test_another_compaction_after_half_of_one_does_no_harm(crash_at: int) -> None:
    """The first one was slow, not dead: its inputs were read before the other one deleted them."""
    store, slow = a_store(), a_store()
    slow.crash_at = crash_at
    with pytest.raises(Crash):
        compact(slow, MODEL, SMALL)
    compact(store, MODEL, CompactionSettings(max_file_rows=16, max_buffer_rows=40))
    store.objects |= {key: data for key, data in slow.objects.items() if key not in a_store().objects}
    compact(store, MODEL, SMALL)
    assert by_id(stored(store)) == EXPECTED


def test_a_file_written_anew_after_it_was_missed_is_not_deleted() -> None:
    """A replay of the archive writes a key again that was gone when compaction came to read it."""
    store = a_store()
    (missed, *_) = store.objects
    data = store.objects[missed]

    def vanish(key: str) -> None:
        if key == missed:
            del store.objects[missed]
            store.before_get = lambda key: store.objects.__setitem__(missed, data)

    store.before_get = vanish
    compact(store, MODEL, CompactionSettings(max_file_rows=10, max_rounds=1))
    assert store.objects[missed] == data


@pytest.mark.parametrize("read", range(14))
def test_a_reader_gives_each_row_once_while_compaction_runs(read: int) -> None:
    store = a_store()
    reads = 0

    def interrupt(_: str) -> None:
        nonlocal reads
        reads += 1
        if reads == read + 1:
            store.before_get = lambda key: None
            compact(store, MODEL, SMALL)

    store.before_get = interrupt
    reader = ArchiveReader(store, MODEL, ReaderSettings(batch_rows=10, partial_rows=True))
    assert by_id(rows_of(reader)) == EXPECTED


def test_a_reader_gives_each_row_once_while_compaction_dies_half_way() -> None:
    for crash_at in range(0, number_of_changes(), 9):
        store = a_store()
        given: list[ArchiveRow] = []
        for batch in ArchiveReader(store, MODEL, ReaderSettings(batch_rows=10, partial_rows=True)):
            given += rows_of(batch)
            if store.crash_at is None:
                store.crash_at = store.changes + crash_at
                with pytest.raises(Crash):
                    compact(store, MODEL, SMALL)
        assert by_id(given) == EXPECTED
