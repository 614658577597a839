from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambda_learner.learn import Example, learn
from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_text import encode_state
from lambda_learner.policy import Policies
from lambda_learner.publish import (
    Fenced,
    FolderStore,
    ShardWriter,
    Tombstone,
    claim,
    from_parquet,
    from_state,
    read_generation,
    read_manifest,
    read_shard,
    shard_of,
)
from operators import publish
from operators.learn import DROPPED
from operators.publish import AFTER_ALL_INPUT_MS, Pending, Publish, PublishSettings, pending_of, published_line
from operators.rows import FIELD
from tests.harness.cases import POLICY
from tests.harness.fake_flink import Driven

KEY = f"m{FIELD}0"
SHARD = "m", POLICY.generation, 0
A, B, C = [text for text in map(str, range(99)) if shard_of(text, POLICY.shards) == 0][:3]


def settings(folder: Path, **changes: Any) -> PublishSettings:
    plain = PublishSettings(str(folder), epoch=1, interval_ms=60_000, once=False, gc_grace_ms=600_000)
    return replace(plain, **changes)


def publisher(folder: Path, **changes: Any) -> Publish:
    return Publish(settings(folder, **changes), Policies({}, POLICY))


def state(close_ms: int, *, examples: int = 1) -> EntityState:
    given = [Example(str(number), {("item.a", ""): 1.0}, 1.0) for number in range(examples)]
    return learn(None, given, close_ms=close_ms, generation=POLICY.generation, settings=POLICY.learner).state


def update(entity: str, close_ms: int, *, examples: int = 1) -> tuple[str, int, str]:
    """An element from learn."""
    return entity, close_ms, encode_state(state(close_ms, examples=examples))


def feed(driven: Driven, *updates: tuple[str, int, str]) -> Driven:
    for each in updates:
        assert driven.element(KEY, each) == []
    return driven


def bucket(folder: Path) -> dict[str, bytes]:
    """The bucket's objects by key."""
    store = FolderStore(folder)
    found = {}
    for info in store.list(""):
        held = store.get(info.key)
        assert held is not None
        found[info.key] = held.data
    return found


def closes(folder: Path) -> list[int]:
    """The closes of the live files of the shard."""
    found = read_manifest(FolderStore(folder), *SHARD)
    return [] if found is None else [entry.close_ms for entry in found.manifest.files]


def counts(folder: Path) -> dict[str, int]:
    """How many examples each published entity has learned."""
    return {entity: value.count for entity, value in read_shard(FolderStore(folder), *SHARD).items()}


def shown(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("close_ms", "end_ms"), [(1_000, 60_000), (59_000, 60_000), (60_000, 60_000), (61_000, 120_000)]
)
def test_an_update_waits_for_the_end_of_its_interval(tmp_path: Path, close_ms: int, end_ms: int) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(A, close_ms))
    assert driven.watermark(end_ms - 1) == []
    assert bucket(tmp_path) == {}
    (line,) = shown(driven.watermark(end_ms))
    assert line["close_ms"] == end_ms
    assert closes(tmp_path) == [end_ms]


def test_all_entities_of_an_interval_are_one_file_in_their_order(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(C, 10_000), update(A, 20_000), update(B, 10_000))
    driven.end()
    (data,) = (data for key, data in bucket(tmp_path).items() if key.endswith(".parquet"))
    assert [each.entity for each in from_parquet(data)] == [A, B, C]


def test_of_an_entity_the_newest_state_of_the_interval_is_published(tmp_path: Path) -> None:
    feed(Driven(publisher(tmp_path)), update(A, 10_000), update(A, 20_000, examples=2)).end()
    assert counts(tmp_path) == {A: 2}


def test_an_update_after_the_interval_is_of_the_next_one(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(A, 10_000), update(A, 70_000, examples=2))
    driven.watermark(60_000)
    assert counts(tmp_path) == {A: 1}
    driven.watermark(120_000)
    assert counts(tmp_path) == {A: 2}
    assert closes(tmp_path) == [60_000, 120_000]


def test_the_order_of_the_updates_does_not_show_in_the_bucket(tmp_path: Path) -> None:
    updates = [update(A, 10_000), update(B, 20_000), update(C, 70_000)]
    feed(Driven(publisher(tmp_path / "1")), *updates).end()
    feed(Driven(publisher(tmp_path / "2")), *updates[::-1]).end()
    assert bucket(tmp_path / "1") == bucket(tmp_path / "2")


def test_a_replay_after_a_failure_writes_nothing_new(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(A, 10_000))
    again = driven.restored(publisher(tmp_path))
    assert len(driven.end()) == 1
    before = bucket(tmp_path)
    assert again.end() == []
    assert bucket(tmp_path) == before


def test_updates_that_wait_survive_a_restart(tmp_path: Path) -> None:
    first = feed(Driven(publisher(tmp_path)), update(A, 10_000))
    feed(first.restored(publisher(tmp_path)), update(B, 20_000)).end()
    assert counts(tmp_path) == {A: 1, B: 1}


def test_nothing_waits_once_it_is_published(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(A, 10_000), update(B, 70_000))
    driven.watermark(60_000)
    assert [len(held) for held in driven.keyed.maps.values()] == [1]


def test_a_tombstone_removes_the_entity(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(A, 10_000), update(B, 10_000))
    driven.watermark(60_000)
    feed(driven, (A, 90_000, DROPPED)).end()
    assert counts(tmp_path) == {B: 1}


def test_a_tombstone_gives_way_to_an_update_after_it(tmp_path: Path) -> None:
    feed(Driven(publisher(tmp_path)), (A, 10_000, DROPPED), update(A, 20_000)).end()
    assert counts(tmp_path) == {A: 1}


def test_the_generation_is_live_before_the_first_delta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def publish_delta(self: Any, close_ms: int, updates: Any) -> None:
        seen.append(read_generation(FolderStore(tmp_path), "m"))

    monkeypatch.setattr(ShardWriter, "publish", publish_delta)
    assert feed(Driven(publisher(tmp_path)), update(A, 10_000)).end() == []
    assert [found and found.generation for found in seen] == [POLICY.as_generation()]


def test_the_generation_is_announced_once_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced = []
    monkeypatch.setattr(publish, "publish_generation", lambda _, model, *__, **___: announced.append(model))
    driven = Driven(publisher(tmp_path))
    for key in (KEY, f"m{FIELD}1", f"n{FIELD}0"):
        driven.element(key, update(A, 10_000))
        driven.element(key, update(A, 70_000))
    driven.end()
    assert sorted(announced) == ["m", "n"]


def test_a_job_that_was_taken_over_stops_at_its_next_publish(tmp_path: Path) -> None:
    claim(FolderStore(tmp_path), "old", take_over=False)
    driven = feed(Driven(publisher(tmp_path)), update(A, 10_000), update(A, 70_000))
    driven.watermark(60_000)
    claim(FolderStore(tmp_path), "new", take_over=True)
    with pytest.raises(Fenced, match="another job took the bucket over"):
        driven.end()


# Once: batch mode publishes at the end of its input.


def test_once_publishes_at_the_end_of_the_input_only(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path, once=True)), update(A, 10_000), update(B, 70_000))
    assert driven.watermark(AFTER_ALL_INPUT_MS - 1) == []
    (line,) = shown(driven.end())
    assert (line["close_ms"], line["entities"]) == (70_000, 2)
    assert closes(tmp_path) == [70_000]


def test_once_leaves_it_to_the_end_of_the_run_to_make_the_generation_live(tmp_path: Path) -> None:
    feed(Driven(publisher(tmp_path, once=True)), update(A, 10_000)).end()
    assert read_generation(FolderStore(tmp_path), "m") is None


@pytest.mark.parametrize("backwards", [False, True])
def test_once_an_older_update_never_replaces_a_newer_one(tmp_path: Path, *, backwards: bool) -> None:
    updates = [update(A, 10_000), (A, 15_000, DROPPED), update(A, 20_000, examples=2)]
    feed(Driven(publisher(tmp_path, once=True)), *(updates[::-1] if backwards else updates)).end()
    assert counts(tmp_path) == {A: 2}


# What is told of a publish.


def test_a_line_tells_how_many_entities_of_which_windows_went_out(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(A, 10_000), update(B, 20_000), update(C, 10_000))
    (line,) = shown(driven.end())
    assert line["model"] == "m"
    assert line["shard"] == 0
    assert line["entities"] == 3
    assert line["closes"] == [[10_000, 2], [20_000, 1]]
    assert line["newest_close_ms"] == 20_000
    (size,) = (len(data) for key, data in bucket(tmp_path).items() if key.endswith(".parquet"))
    assert line["bytes"] == size


def test_a_line_tells_the_longest_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_now_ms", lambda: 5_000)
    pending = [Pending(Tombstone(A, 1_000), 1_000, 3_000), Pending(Tombstone(B, 1_000), 1_000, 4_500)]
    line = json.loads(published_line("m", 0, 60_000, pending, 7))
    assert (line["waited_ms"], line["published_at_ms"]) == (2_000, 5_000)


def test_a_wait_is_never_negative_though_the_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_now_ms", lambda: 5_000)
    pending = [Pending(Tombstone(A, 1_000), 1_000, 9_000)]
    assert json.loads(published_line("m", 0, 60_000, pending, 7))["waited_ms"] == 0


def test_what_waits_comes_back_from_its_text() -> None:
    found = pending_of(A, f"20000{FIELD}123{FIELD}{encode_state(state(20_000))}", POLICY.generation)
    assert found is not None
    assert (found.close_ms, found.came_ms) == (20_000, 123)
    expected = from_state(A, state(20_000))
    assert (found.update.entity, found.update.close_ms) == (expected.entity, expected.close_ms)


def test_a_tombstone_that_waits_comes_back_from_its_text() -> None:
    expected = Pending(Tombstone(A, 20_000), 20_000, 123)
    assert pending_of(A, f"20000{FIELD}123{FIELD}{DROPPED}", POLICY.generation) == expected


def test_what_waits_of_another_generation_is_not_published(tmp_path: Path) -> None:
    driven = feed(Driven(publisher(tmp_path)), update(A, 10_000))
    other = Publish(settings(tmp_path), Policies({}, replace(POLICY, generation="ffffffffffff")))
    assert driven.restored(other).end() == []
    assert bucket(tmp_path) == {}
