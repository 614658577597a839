from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone
from lambda_learner.publish.errors import DamagedCoefficients, DamagedManifest
from lambda_learner.publish.manifest import FileEntry, read_manifest
from lambda_learner.publish.reader import load_shard, read_shard
from lambda_learner.publish.shard_writer import ShardWriter
from lambda_learner.publish.store import Object, Store

Build = Callable[..., EntityCoefficients]


@pytest.fixture
def writer(store: Store) -> ShardWriter:
    return ShardWriter(store, "movies", "g", 0, 1)


def _files(store: Store) -> tuple[FileEntry, ...]:
    found = read_manifest(store, "movies", "g", 0)
    assert found is not None
    return found.manifest.files


def test_a_shard_that_was_never_published_is_empty(store: Store) -> None:
    assert read_shard(store, "movies", "g", 0) == {}


def test_the_latest_rows_of_each_entity_are_read_and_tombstones_removed(
    store: Store, writer: ShardWriter, coefficients: Build, fields_of: Any
) -> None:
    a, b, newer = coefficients("a"), coefficients("b"), coefficients("a", close_ms=2000)
    writer.publish(1000, [a, b])
    writer.publish(2000, [newer, Tombstone("b", 2000)])
    read = read_shard(store, "movies", "g", 0)
    assert list(read) == ["a"]
    assert fields_of(read["a"]) == fields_of(newer)


def test_a_pinned_set_of_files_is_read_as_it_was_then(
    store: Store, writer: ShardWriter, coefficients: Build, fields_of: Any
) -> None:
    old = coefficients("a")
    writer.publish(1000, [old])
    pinned = _files(store)
    for number in range(2, 12):
        writer.publish(number * 1000, [coefficients("a", close_ms=number * 1000)])
    assert read_shard(store, "movies", "g", 0)["a"].close_ms == 11_000
    assert fields_of(read_shard(store, "movies", "g", 0, files=pinned)["a"]) == fields_of(old)
    assert read_shard(store, "movies", "g", 0, files=()) == {}


def test_files_merged_before_are_not_read_again(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    writer.publish(1000, [coefficients("a"), coefficients("b")])
    first = load_shard(store, "movies", "g", 0)
    assert load_shard(store, "movies", "g", 0, previous=first) is first
    writer.publish(2000, [coefficients("c"), Tombstone("a", 2000)])
    store.reads.clear()
    second = load_shard(store, "movies", "g", 0, previous=first)
    assert [key.rpartition("/")[2] for key in store.reads] == [
        "manifest.json",
        "19700101T000002Z-delta.parquet",
    ]
    assert sorted(second.entities) == ["b", "c"]
    assert sorted(first.entities) == ["a", "b"]


def test_a_file_that_is_missing_is_an_error_that_names_it(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    writer.publish(1000, [coefficients("a")])
    (entry,) = _files(store)
    store.delete(entry.key)
    with pytest.raises(DamagedCoefficients, match=rf"{entry.key} is damaged: .*not in the bucket.*restore"):
        read_shard(store, "movies", "g", 0)


def test_a_file_with_another_content_than_its_manifest_names_is_an_error(
    store: Any, writer: ShardWriter, coefficients: Build
) -> None:
    writer.publish(1000, [coefficients("a")])
    (entry,) = _files(store)
    data = store.objects[entry.key]
    for damaged in (data[:-1], data[:50] + b"\xff" + data[51:], b""):
        store.objects[entry.key] = damaged
        with pytest.raises(DamagedCoefficients, match="not the one that its manifest names"):
            read_shard(store, "movies", "g", 0)
    store.objects[entry.key] = data
    with pytest.raises(DamagedCoefficients, match="its manifest names 9 rows, it has 3"):
        read_shard(store, "movies", "g", 0, files=[entry._replace(rows=9)])


def test_a_manifest_that_is_gone_is_an_error_to_who_has_seen_it(
    store: Any, writer: ShardWriter, coefficients: Build
) -> None:
    writer.publish(1000, [coefficients("a")])
    seen = load_shard(store, "movies", "g", 0)
    store.delete("coefficients/movies/g/00/manifest.json")
    with pytest.raises(DamagedManifest, match="it is gone"):
        load_shard(store, "movies", "g", 0, previous=seen)


class SlowStore:
    """A store whose reader is overtaken: after the manifest is read, files are merged and deleted."""

    def __init__(self, store: Any, overtake: Callable[[], None]) -> None:
        self._store = store
        self._overtake: Callable[[], None] | None = overtake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, key: str) -> Object | None:
        if key.endswith(".parquet") and self._overtake:
            overtake, self._overtake = self._overtake, None
            overtake()
        found: Object | None = self._store.get(key)
        return found


def test_a_reader_slower_than_the_grace_period_starts_over_with_the_new_manifest(
    store: Any, writer: ShardWriter, coefficients: Build
) -> None:
    for number in range(1, 8):
        writer.publish(number * 1000, [coefficients(f"e{number}")])

    def overtake() -> None:
        writer.publish(8000, [coefficients("e8")])
        assert len(writer.collect_garbage(10**9, 0)) == 7

    slow: Any = SlowStore(store, overtake)
    assert len(read_shard(slow, "movies", "g", 0)) == 8
