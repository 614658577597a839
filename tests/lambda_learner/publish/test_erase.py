"""An entity leaves the files of a shard, not only its readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone
from lambda_learner.publish.errors import Fenced
from lambda_learner.publish.manifest import Manifest, read_manifest
from lambda_learner.publish.reader import read_shard, read_table
from lambda_learner.publish.shard_writer import ShardWriter

Build = Callable[..., EntityCoefficients]
SHARD = "movies", "g", 0


@pytest.fixture
def writer(store: Any) -> ShardWriter:
    return ShardWriter(store, *SHARD, 1)


def manifest(store: Any) -> Manifest:
    found = read_manifest(store, *SHARD)
    assert found is not None
    return found.manifest


def in_files(store: Any) -> set[str]:
    """The entities with a row in any live file, tombstones too."""
    return {entity for entry in manifest(store).files for entity in read_table(store, entry)["entity"].to_pylist()}


def test_a_publish_that_erases_leaves_nothing_of_the_entity(
    store: Any, writer: ShardWriter, coefficients: Build
) -> None:
    writer.publish(5000, [coefficients("e"), coefficients("f")])
    writer.publish(6000, [Tombstone("e", 6000), coefficients("g")], erases=True)
    assert in_files(store) == {"f", "g"}
    assert [(entry.kind, entry.close_ms) for entry in manifest(store).files] == [("base", 6000)]


def test_erasing_the_only_entity_leaves_no_file(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    writer.publish(5000, [coefficients("e")])
    writer.publish(6000, [Tombstone("e", 6000)], erases=True)
    assert manifest(store) == Manifest(1, 6000)


def test_an_entity_is_erased_whatever_close_is_committed(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    writer.publish(5000, [coefficients("e"), coefficients("f")])
    writer.publish(6000, [coefficients("e")])
    before = manifest(store)
    assert writer.erase("e") == tuple(entry.key for entry in before.files)
    assert in_files(store) == {"f"}
    assert (manifest(store).committed_close_ms, manifest(store).epoch) == (6000, 1)
    assert read_shard(store, *SHARD).keys() == {"f"}


def test_what_a_tombstone_hides_is_erased_too(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    writer.publish(5000, [coefficients("e"), coefficients("f")])
    writer.publish(6000, [Tombstone("e", 6000)])
    writer.erase("e")
    assert in_files(store) == {"f"}


def test_an_entity_that_is_not_there_changes_nothing(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    writer.publish(5000, [coefficients("f")])
    before = dict(store.objects)
    assert writer.erase("e") == ()
    assert store.objects == before


def test_a_shard_that_was_never_published_stays_so(store: Any, writer: ShardWriter) -> None:
    assert writer.erase("e") == ()
    assert store.objects == {}


def test_the_shards_writer_goes_on_after_it(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    writer.publish(5000, [coefficients("e"), coefficients("f")])
    ShardWriter(store, *SHARD, 1).erase("e")
    writer.publish(6000, [coefficients("g")])
    assert read_shard(store, *SHARD).keys() == {"f", "g"}


def test_an_erasure_in_the_middle_of_a_publish_loses_neither(
    store: Any, writer: ShardWriter, coefficients: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer has read the manifest and written its file when the entity is erased."""
    writer.publish(5000, [coefficients("e"), coefficients("f")])
    put_if, other = store.put_if, ShardWriter(store, *SHARD, 1)

    def interrupted(key: str, data: bytes, etag: str | None) -> str:
        if key.endswith("manifest.json"):
            monkeypatch.undo()
            other.erase("e")
        return str(put_if(key, data, etag))

    monkeypatch.setattr(store, "put_if", interrupted)
    writer.publish(6000, [coefficients("g")])
    assert in_files(store) == {"f", "g"}


def test_an_older_epoch_may_not(store: Any, writer: ShardWriter, coefficients: Build) -> None:
    ShardWriter(store, *SHARD, 2).publish(5000, [coefficients("e")])
    with pytest.raises(Fenced):
        writer.erase("e")
