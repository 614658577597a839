from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.manifest import FileEntry, read_manifest
from lambda_learner.publish.reader import read_shard
from lambda_learner.publish.shard_writer import ShardWriter
from lambda_learner.publish.store import FolderStore, Store

Build = Callable[..., EntityCoefficients]
GRACE_MS = 600_000


def _writer(store: Store) -> ShardWriter:
    return ShardWriter(store, "movies", "g", 0, 1)


def _live(store: Store) -> tuple[FileEntry, ...]:
    found = read_manifest(store, "movies", "g", 0)
    assert found is not None
    return found.manifest.files


@pytest.fixture
def merged(store: Any, coefficients: Build) -> tuple[ShardWriter, tuple[FileEntry, ...]]:
    """A shard whose seven deltas, an hour old, were merged at hour 1; the writer and the deltas."""
    writer = _writer(store)
    for number in range(1, 8):
        writer.publish(number * 1000, [coefficients(f"e{number}")])
    deltas = _live(store)
    store.now_ms = 3_600_000
    writer.publish(8000, [coefficients("e8")])
    return writer, deltas


def _collect_at(writer: ShardWriter, store: Any, now_ms: int, pinned: tuple[str, ...] = ()) -> tuple[str, ...]:
    store.now_ms = now_ms
    return writer.collect_garbage(now_ms, GRACE_MS, pinned)


def test_files_go_one_grace_period_after_the_merge_however_old_they_are(
    store: Any, merged: tuple[ShardWriter, tuple[FileEntry, ...]]
) -> None:
    writer, deltas = merged
    hour = 3_600_000
    assert _collect_at(writer, store, hour) == ()
    assert _collect_at(writer, store, hour + GRACE_MS - 1) == ()
    assert _collect_at(writer, store, hour + GRACE_MS) == tuple(entry.key for entry in deltas)
    assert len(read_shard(store, "movies", "g", 0)) == 8
    assert _collect_at(writer, store, hour + 10 * GRACE_MS) == ()


def test_a_reader_of_the_old_manifest_finds_all_its_files_within_the_grace_period(
    store: Any, merged: tuple[ShardWriter, tuple[FileEntry, ...]]
) -> None:
    writer, deltas = merged
    _collect_at(writer, store, 3_600_000 + GRACE_MS - 1)
    assert len(read_shard(store, "movies", "g", 0, files=deltas)) == 7


def test_a_steady_stream_of_publishes_does_not_put_the_deletion_off(
    store: Any, merged: tuple[ShardWriter, tuple[FileEntry, ...]], coefficients: Build
) -> None:
    writer, deltas = merged
    deleted: list[str] = []
    for number in range(1, 8):
        store.now_ms = 3_600_000 + number * 100_000
        writer.publish((8 + number) * 1000, [coefficients("e1")])
        deleted += _collect_at(writer, store, store.now_ms)
    assert sorted(deleted) == [entry.key for entry in deltas]


def test_a_new_writer_waits_anew_but_not_if_the_manifest_itself_is_that_old(
    store: Any, merged: tuple[ShardWriter, tuple[FileEntry, ...]], coefficients: Build
) -> None:
    _, deltas = merged
    late = 3_600_000 + GRACE_MS
    fresh = _writer(store)
    store.now_ms = late - 1
    fresh.publish(9000, [coefficients("e1")])
    assert _collect_at(fresh, store, late) == ()
    assert _collect_at(_writer(store), store, late - 1 + GRACE_MS) == tuple(entry.key for entry in deltas)


def test_a_pinned_file_stays(store: Any, merged: tuple[ShardWriter, tuple[FileEntry, ...]]) -> None:
    writer, deltas = merged
    pinned = tuple(entry.key for entry in deltas[:3])
    gone = _collect_at(writer, store, 10**9, pinned)
    assert gone == tuple(entry.key for entry in deltas[3:])
    assert len(read_shard(store, "movies", "g", 0, files=deltas[:3])) == 3
    assert _collect_at(writer, store, 10**9, ()) == pinned


def test_a_file_just_written_and_not_yet_committed_stays(store: Any, coefficients: Build) -> None:
    writer = _writer(store)
    writer.publish(1000, [coefficients("e")])
    store.now_ms = 10**9
    store.put("coefficients/movies/g/00/19700101T000002Z-delta.parquet", b"about to be committed")
    assert _collect_at(writer, store, 10**9 + GRACE_MS - 1) == ()
    assert len(_collect_at(writer, store, 10**9 + GRACE_MS)) == 1


def test_nothing_but_coefficient_files_of_the_shard_is_ever_deleted(store: Any, coefficients: Build) -> None:
    writer = _writer(store)
    writer.publish(1000, [coefficients("e")])
    ShardWriter(store, "movies", "g", 1, 1).publish(1000, [coefficients("e")])
    store.put("coefficients/movies/g/00/notes.txt", b"")
    before = dict(store.objects)
    assert _collect_at(writer, store, 10**9) == ()
    assert store.objects == before


def test_a_shard_without_a_manifest_is_left_alone(store: Any) -> None:
    store.put("coefficients/movies/g/00/19700101T000002Z-delta.parquet", b"x")
    assert _collect_at(_writer(store), store, 10**9) == ()


def test_the_rule_holds_on_a_folder(tmp_path: Path, coefficients: Build) -> None:
    store = FolderStore(tmp_path)
    writer = _writer(store)
    for number in range(1, 9):
        writer.publish(number * 1000, [coefficients(f"e{number}")])
    for info in store.list(""):
        os.utime(tmp_path / info.key, (1000, 1000))
    assert writer.collect_garbage(1_000_000 + GRACE_MS - 1, GRACE_MS) == ()
    assert len(writer.collect_garbage(1_000_000 + GRACE_MS, GRACE_MS)) == 7
    assert len(read_shard(store, "movies", "g", 0)) == 8
