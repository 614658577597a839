from __future__ import annotations

import json
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
from operators.learn import DROPPED, update_row
from operators.publish import COEFFICIENTS, Pending, Publish, PublishSettings, pending_of, published_line
from operators.rows import FIELD, ROW
from tests.harness.cases import POLICY
from tests.harness.learning import gathered

KEY = f"m{FIELD}0"
INTERVAL_MS = 60_000
SHARD = "m", POLICY.generation, 0
A, B, C = [text for text in map(str, range(99)) if shard_of(text, POLICY.shards) == 0][:3]


def settings(folder: Path, **changes: Any) -> PublishSettings:
    plain = PublishSettings(str(folder), epoch=1, interval_ms=INTERVAL_MS, once=False, gc_grace_ms=600_000)
    return replace(plain, **changes)


def publisher(folder: Path, **changes: Any) -> Publish:
    return Publish(settings(folder, **changes), Policies({}, POLICY))


def state(close_ms: int, *, examples: int = 1) -> EntityState:
    given = [Example(str(number), {("item.a", ""): 1.0}, 1.0) for number in range(examples)]
    return learn(None, given, close_ms=close_ms, generation=POLICY.generation, settings=POLICY.learner).state


def update(entity: str, close_ms: int, *, examples: int = 1, shard: str = KEY) -> Any:
    """An element from learn."""
    row = update_row("m", entity, POLICY.shards, close_ms, encode_state(state(close_ms, examples=examples)))
    return (shard, *list(row)[1:])


def tombstone(entity: str, close_ms: int) -> Any:
    return update_row("m", entity, POLICY.shards, close_ms, DROPPED)


def feed(publisher: Publish, *updates: Any, interval_ms: int | None = INTERVAL_MS) -> list[dict[str, Any]]:
    """Hand the updates over as the delta stage gathers them; the lines that are told."""
    publisher.open(None)
    elements = gathered(updates, interval_ms)
    return [
        json.loads(line)
        for element in elements
        for line in publisher.process_element(element, None)
        if isinstance(line, str)
    ]


def sent(publisher: Publish, *updates: Any) -> list[tuple[str, str]]:
    """Hand the updates over; the keys and values that go to the topic."""
    publisher.open(None)
    elements = gathered(updates, INTERVAL_MS)
    told = [each for element in elements for each in publisher.process_element(element, None)]
    texts = [each[1] for each in told if not isinstance(each, str) and each[0] is COEFFICIENTS]
    return [tuple(record.split(FIELD)) for text in texts for record in text.split(ROW)]


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


def test_an_interval_is_one_delta_that_bears_its_end(tmp_path: Path) -> None:
    lines = feed(publisher(tmp_path), update(A, 10_000), update(A, 70_000, examples=2))
    assert [line["close_ms"] for line in lines] == closes(tmp_path) == [60_000, 120_000]
    assert counts(tmp_path) == {A: 2}


def test_all_entities_of_an_interval_are_one_file_in_their_order(tmp_path: Path) -> None:
    feed(publisher(tmp_path), update(C, 10_000), update(A, 20_000), update(B, 10_000))
    (data,) = (data for key, data in bucket(tmp_path).items() if key.endswith(".parquet"))
    assert [each.entity for each in from_parquet(data)] == [A, B, C]


def test_of_two_states_the_newer_is_the_greater_text() -> None:
    older, newer = update(A, 90_000, examples=9), update(A, 100_000)
    assert older[3] < newer[3]


def test_the_order_of_the_updates_does_not_show_in_the_bucket(tmp_path: Path) -> None:
    updates = [update(A, 10_000), update(B, 20_000), update(C, 70_000)]
    feed(publisher(tmp_path / "1"), *updates)
    feed(publisher(tmp_path / "2"), *updates[::-1])
    assert bucket(tmp_path / "1") == bucket(tmp_path / "2")


def test_a_replay_after_a_failure_writes_nothing_new(tmp_path: Path) -> None:
    assert len(feed(publisher(tmp_path), update(A, 10_000))) == 1
    before = bucket(tmp_path)
    assert feed(publisher(tmp_path), update(A, 10_000)) == []
    assert bucket(tmp_path) == before


def test_a_tombstone_removes_the_entity(tmp_path: Path) -> None:
    feed(publisher(tmp_path), update(A, 10_000), update(B, 10_000), tombstone(A, 90_000))
    assert counts(tmp_path) == {B: 1}


def test_a_tombstone_gives_way_to_an_update_after_it(tmp_path: Path) -> None:
    feed(publisher(tmp_path), tombstone(A, 10_000), update(A, 20_000))
    assert counts(tmp_path) == {A: 1}


def test_the_generation_is_live_before_the_first_delta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def publish_delta(self: Any, close_ms: int, updates: Any, **_: Any) -> None:
        seen.append(read_generation(FolderStore(tmp_path), "m"))

    monkeypatch.setattr(ShardWriter, "publish", publish_delta)
    assert feed(publisher(tmp_path), update(A, 10_000)) == []
    assert [found and found.generation for found in seen] == [POLICY.as_generation()]


def test_the_generation_is_announced_once_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced = []
    monkeypatch.setattr(publish, "publish_generation", lambda _, model, *__, **___: announced.append(model))
    shards = [KEY, f"m{FIELD}1", f"n{FIELD}0"]
    feed(publisher(tmp_path), *(update(A, close, shard=shard) for shard in shards for close in (10_000, 70_000)))
    assert sorted(announced) == ["m", "n"]


def test_a_job_that_was_taken_over_stops_at_its_next_publish(tmp_path: Path) -> None:
    claim(FolderStore(tmp_path), "old", take_over=False)
    feed(publisher(tmp_path), update(A, 10_000))
    claim(FolderStore(tmp_path), "new", take_over=True)
    with pytest.raises(Fenced, match="another job took the bucket over"):
        feed(publisher(tmp_path), update(A, 70_000))


# Once: batch mode publishes at the end of its input.


def test_once_publishes_everything_with_the_newest_close(tmp_path: Path) -> None:
    updates = update(A, 10_000), update(B, 70_000)
    (line,) = feed(publisher(tmp_path, once=True), *updates, interval_ms=None)
    assert (line["close_ms"], line["entities"]) == (70_000, 2)
    assert closes(tmp_path) == [70_000]


def test_once_leaves_it_to_the_end_of_the_run_to_make_the_generation_live(tmp_path: Path) -> None:
    feed(publisher(tmp_path, once=True), update(A, 10_000), interval_ms=None)
    assert read_generation(FolderStore(tmp_path), "m") is None


# What is told of a publish.


def test_a_line_tells_how_many_entities_of_which_windows_went_out(tmp_path: Path) -> None:
    (line,) = feed(publisher(tmp_path), update(A, 10_000), update(B, 20_000), update(C, 10_000))
    assert line["model"] == "m"
    assert line["shard"] == 0
    assert line["entities"] == 3
    assert line["closes"] == [[10_000, 2], [20_000, 1]]
    assert line["newest_close_ms"] == 20_000
    (size,) = (len(data) for key, data in bucket(tmp_path).items() if key.endswith(".parquet"))
    assert line["bytes"] == size


def test_a_line_tells_the_longest_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "wall_clock_ms", lambda: 5_000)
    pending = [Pending(Tombstone(A, 1_000), 1_000, 3_000), Pending(Tombstone(B, 1_000), 1_000, 4_500)]
    line = json.loads(published_line("m", 0, 60_000, pending, 7))
    assert (line["waited_ms"], line["published_at_ms"]) == (2_000, 5_000)


def test_a_wait_is_never_negative_though_the_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "wall_clock_ms", lambda: 5_000)
    pending = [Pending(Tombstone(A, 1_000), 1_000, 9_000)]
    assert json.loads(published_line("m", 0, 60_000, pending, 7))["waited_ms"] == 0


def test_what_was_gathered_comes_back_from_its_text() -> None:
    text = ROW.join(f"{entity}{FIELD}20000{FIELD}123{FIELD}{encode_state(state(20_000))}" for entity in (B, A))
    found = pending_of(text, POLICY.generation)
    assert [(each.close_ms, each.came_ms) for each in found] == [(20_000, 123)] * 2
    assert [each.update.entity for each in found] == [A, B]
    assert {each.update.close_ms for each in found} == {from_state(A, state(20_000)).close_ms}


def test_a_tombstone_comes_back_from_its_text() -> None:
    expected = Pending(Tombstone(A, 20_000), 20_000, 123)
    assert pending_of(f"{A}{FIELD}20000{FIELD}123{FIELD}{DROPPED}", POLICY.generation) == [expected]


def test_what_was_learned_of_another_generation_is_not_published(tmp_path: Path) -> None:
    other = Publish(settings(tmp_path), Policies({}, replace(POLICY, generation="ffffffffffff")))
    assert feed(other, update(A, 10_000)) == []
    assert bucket(tmp_path) == {}


# The topic that updates go to as well.


def test_a_job_without_a_topic_sends_no_records(tmp_path: Path) -> None:
    assert sent(publisher(tmp_path), update(A, 10_000)) == []


def test_each_update_is_a_record_of_the_topic(tmp_path: Path) -> None:
    records = sent(publisher(tmp_path, max_record_bytes=9_999), update(A, 10_000), update(B, 20_000))
    assert [key for key, _ in records] == [f"m|{A}", f"m|{B}"]
    assert [json.loads(value)["close_ms"] for _, value in records] == [10_000, 20_000]


def test_a_dropped_entity_is_a_record_without_a_value(tmp_path: Path) -> None:
    assert sent(publisher(tmp_path, max_record_bytes=9_999), tombstone(A, 10_000)) == [(f"m|{A}", "")]


def test_a_replay_after_a_failure_sends_again_what_the_bucket_has(tmp_path: Path) -> None:
    publish = publisher(tmp_path, max_record_bytes=9_999)
    assert sent(publish, update(A, 10_000)) == sent(publish, update(A, 10_000)) != []


def test_many_records_are_several_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "RECORDS_AT_ONCE", 2)
    records = sent(publisher(tmp_path, max_record_bytes=9_999), *(update(each, 10_000) for each in (A, B, C)))
    assert [key for key, _ in records] == [f"m|{each}" for each in (A, B, C)]
