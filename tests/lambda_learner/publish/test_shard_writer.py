from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from lambda_learner.publish import keys
from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone
from lambda_learner.publish.errors import DamagedManifest, Fenced, NewerFormat
from lambda_learner.publish.manifest import FileEntry, Manifest, read_manifest
from lambda_learner.publish.parquet_file import to_parquet
from lambda_learner.publish.reader import read_shard
from lambda_learner.publish.shard_writer import ShardWriter, is_merge_due
from lambda_learner.publish.store import Store

Build = Callable[..., EntityCoefficients]
FOLDER = "coefficients/movies/g/00/"
MANIFEST = FOLDER + "manifest.json"


@pytest.fixture
def writer(store: Store) -> ShardWriter:
    return ShardWriter(store, "movies", "g", 0, 1)


def _manifest(store: Store) -> Manifest:
    found = read_manifest(store, "movies", "g", 0)
    assert found is not None
    return found.manifest


def test_a_publish_writes_a_delta_and_commits_it(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    one = coefficients("e")
    published = writer.publish(5000, [one])
    assert published is not None
    assert published.file is not None
    assert published.file[:4] == (FOLDER + "19700101T000005Z-delta.parquet", 3, "delta", 5000)
    assert _manifest(store) == Manifest(1, 5000, (published.file,))
    assert store.objects[published.file.key] == to_parquet([one])
    assert published.bytes_written == len(to_parquet([one]))


def test_publishing_a_window_again_or_an_older_one_changes_nothing(
    store: Any, writer: ShardWriter, coefficients: Build
) -> None:
    writer.publish(5000, [coefficients("e")])
    before = dict(store.objects)
    assert writer.publish(5000, [coefficients("e")]) is None
    assert writer.publish(4000, [coefficients("e")]) is None
    assert store.objects == before


def test_a_window_without_updates_moves_the_close_on_and_writes_no_file(store: Any, writer: ShardWriter) -> None:
    published = writer.publish(5000, [])
    assert published is not None
    assert published.file is None
    assert _manifest(store) == Manifest(1, 5000)
    assert list(store.objects) == [MANIFEST]


def test_an_older_epoch_is_fenced_and_changes_nothing(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    ShardWriter(store, "movies", "g", 0, 2).publish(5000, [coefficients("e")])
    before = dict(store.objects)
    with pytest.raises(Fenced, match=r"manifest.json belongs to epoch 2, this writer has epoch 1.*--take-over"):
        writer.publish(6000, [coefficients("e")])
    with pytest.raises(Fenced):
        writer.collect_garbage(0, 0)
    assert store.objects == before


def test_a_newer_epoch_raises_the_manifest_even_if_it_has_nothing_to_commit(
    store: Store, writer: ShardWriter, coefficients: Build
) -> None:
    writer.publish(5000, [coefficients("e")])
    assert ShardWriter(store, "movies", "g", 0, 2).publish(4000, []) is None
    with pytest.raises(Fenced):
        writer.publish(6000, [])


def test_a_close_that_is_no_whole_second_writes_nothing(store: Any, writer: ShardWriter) -> None:
    with pytest.raises(ValueError, match="close_ms must be whole seconds"):
        writer.publish(5001, [])
    assert not store.objects


@pytest.mark.parametrize(
    ("base_rows", "deltas", "new", "due"),
    [
        (0, [1] * 6, 1, False),
        (0, [1] * 7, 1, True),
        (100, [10] * 9, 10, False),
        (100, [10] * 10, 10, True),
        (1000, [1] * 30, 1, False),
        (1000, [1] * 31, 1, True),
        (1, [1000], 1000, False),
    ],
)
def test_a_merge_is_due_after_32_deltas_or_when_8_or_more_outgrow_the_base(
    *, base_rows: int, deltas: list[int], new: int, due: bool
) -> None:
    base = [FileEntry("k", base_rows, "base", 0)] if base_rows else []
    assert is_merge_due([*base, *(FileEntry("k", rows, "delta", 0) for rows in deltas)], new) is due


def test_the_eighth_delta_of_a_new_shard_is_merged_with_the_others_into_a_base(
    store: Any, writer: ShardWriter, coefficients: Build
) -> None:
    latest = {}
    for number in range(1, 9):
        latest["often"] = coefficients("often", close_ms=number * 1000)
        latest[f"e{number}"] = coefficients(f"e{number}", close_ms=number * 1000)
        writer.publish(number * 1000, [latest["often"], latest[f"e{number}"]])
    (base,) = _manifest(store).files
    assert base[:4] == (FOLDER + "19700101T000008Z-base.parquet", 27, "base", 8000)
    assert store.objects[base.key] == to_parquet(latest.values())


def test_a_merge_of_nothing_but_tombstones_leaves_no_file(store: Store, writer: ShardWriter) -> None:
    for number in range(1, 9):
        writer.publish(number * 1000, [Tombstone("e", number * 1000)])
    assert _manifest(store) == Manifest(1, 8000)
    assert read_shard(store, "movies", "g", 0) == {}


def test_a_damaged_file_stops_merges_but_no_publish(
    store: Any, writer: ShardWriter, coefficients: Build, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, 8):
        writer.publish(number * 1000, [coefficients("e")])
    first = _manifest(store).files[0].key
    whole = store.objects[first]
    store.objects[first] = b"damaged"
    writer.publish(8000, [coefficients("e")])
    assert [entry.kind for entry in _manifest(store).files] == ["delta"] * 8
    assert caplog.records[-1].levelno == logging.WARNING
    assert f"{first} is damaged" in caplog.text
    store.objects[first] = whole
    writer.publish(9000, [coefficients("e")])
    assert [entry.kind for entry in _manifest(store).files] == ["base"]


def test_a_file_that_another_content_left_is_not_written_over(
    store: Any, writer: ShardWriter, coefficients: Build
) -> None:
    key = keys.delta_key(FOLDER, 5000)
    store.put(key, b"what another wrote")
    published = writer.publish(5000, [coefficients("e")])
    assert published is not None
    assert published.file is not None
    assert published.file.key == keys.other_key(key, published.file.checksum)
    assert store.objects[key] == b"what another wrote"
    assert list(read_shard(store, "movies", "g", 0)) == ["e"]


def test_a_damaged_manifest_stops_the_writer_with_its_key_and_what_to_do(store: Store, writer: ShardWriter) -> None:
    store.put(MANIFEST, b"{}")
    with pytest.raises(DamagedManifest, match=rf"{MANIFEST} is damaged: .*--fresh"):
        writer.publish(5000, [])
    store.put(MANIFEST, b'{"format_version": 2}')
    with pytest.raises(NewerFormat):
        writer.publish(5000, [])
