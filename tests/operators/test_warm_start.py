from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

from lambda_learner.learn import Example, LearnerSettings, learn
from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_format import to_bytes
from lambda_learner.publish import FileEntry, FolderStore, ShardWriter, Tombstone, from_state, read_manifest, shard_of
from operators.warm_start import WarmStart
from tests.harness.cases import POLICY

ENTITY = '["u"]'
SHARD = shard_of(ENTITY, POLICY.shards)
KEY = "m", POLICY.generation, SHARD


def learned(close_ms: int) -> EntityState:
    examples = [Example("d", {("item.a", ""): 1.0}, 1.0)]
    result = learn(None, examples, close_ms=close_ms, generation=POLICY.generation, settings=LearnerSettings())
    return result.state


def published(folder: Path, *closes_ms: int) -> list[FileEntry]:
    store = FolderStore(folder)
    writer = ShardWriter(store, *KEY, 1)
    for close_ms in closes_ms:
        writer.publish(close_ms, [from_state(ENTITY, learned(close_ms))])
    found = read_manifest(store, *KEY)
    assert found is not None
    return list(found.manifest.files)


def test_an_entity_begins_from_what_was_published_fence_included(tmp_path: Path) -> None:
    start = WarmStart(str(tmp_path), {KEY: published(tmp_path, 10_000)})
    state = start.state("m", ENTITY, POLICY)
    assert state is not None
    assert to_bytes(state) == to_bytes(learned(10_000))


def test_an_entity_that_was_never_published_begins_from_nothing(tmp_path: Path) -> None:
    start = WarmStart(str(tmp_path), {KEY: published(tmp_path, 10_000)})
    other = next(text for text in map(str, range(99)) if shard_of(text, POLICY.shards) == SHARD)
    assert start.state("m", other, POLICY) is None


def test_what_is_published_after_the_pin_is_no_history(tmp_path: Path) -> None:
    pinned = published(tmp_path, 10_000)
    published(tmp_path, 20_000)
    state = WarmStart(str(tmp_path), {KEY: pinned}).state("m", ENTITY, POLICY)
    assert state is not None
    assert state.fence_ms == 10_000


def test_without_a_pin_nothing_is_read(tmp_path: Path) -> None:
    published(tmp_path, 10_000)
    assert WarmStart(str(tmp_path)).state("m", ENTITY, POLICY) is None


def test_another_generation_is_no_history(tmp_path: Path) -> None:
    start = WarmStart(str(tmp_path), {KEY: published(tmp_path, 10_000)})
    assert start.state("m", ENTITY, replace(POLICY, generation="ffffffffffff")) is None


def test_an_entity_that_was_dropped_begins_from_nothing(tmp_path: Path) -> None:
    published(tmp_path, 10_000)
    ShardWriter(FolderStore(tmp_path), *KEY, 1).publish(20_000, [Tombstone(ENTITY, 20_000)])
    start = WarmStart(str(tmp_path), {KEY: published(tmp_path)})
    assert start.state("m", ENTITY, POLICY) is None


def test_a_shard_is_read_once(tmp_path: Path) -> None:
    start = WarmStart(str(tmp_path), {KEY: (entries := published(tmp_path, 10_000))})
    first = start.state("m", ENTITY, POLICY)
    (tmp_path / entries[0].key).unlink()
    again = start.state("m", ENTITY, POLICY)
    assert first is not None
    assert again is not None
    assert to_bytes(first) == to_bytes(again)


def test_it_travels_with_the_job(tmp_path: Path) -> None:
    start = pickle.loads(pickle.dumps(WarmStart(str(tmp_path), {KEY: published(tmp_path, 10_000)})))
    assert start.state("m", ENTITY, POLICY) is not None
