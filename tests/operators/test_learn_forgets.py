from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn.state_format import to_bytes
from lambda_learner.publish import FileEntry, FolderStore, ShardWriter, from_state, read_manifest, shard_of
from operators.warm_start import WarmStart
from tests.harness.cases import (
    POLICY,
    T0_MS,
)
from tests.harness.fake_flink import Driven
from tests.harness.learning import MORTAL, TTL_MS, U, counts, decisions, feed, learn, state_of, summary, timeless

# Time to live.


def test_an_idle_entity_is_dropped_with_a_tombstone_when_its_time_is_over() -> None:
    driven = Driven(learn(MORTAL))
    feed(driven, decisions(1))
    expiry_ms = T0_MS + 30_000 + TTL_MS
    assert driven.watermark(expiry_ms - 2) == []
    assert summary(driven.watermark(expiry_ms - 1)) == [(U, expiry_ms, True)]


def test_an_entity_that_is_seen_in_time_lives_on() -> None:
    driven = Driven(learn(MORTAL))
    first, second = decisions(1, 51)
    feed(driven, [first])
    driven.watermark(second[2] - 2)
    feed(driven, [second])
    assert driven.watermark(first[2] + TTL_MS) == []
    assert summary(driven.watermark(second[2] + TTL_MS)) == [(U, second[2] + TTL_MS, True)]


@given(seconds=st.lists(st.integers(0, 400), min_size=1, max_size=7, unique=True), steps=st.lists(st.integers(0, 600)))
def test_it_does_not_matter_whether_the_timer_has_fired_before_the_next_window(
    seconds: list[int], steps: list[int]
) -> None:
    """Watermarks between the windows fire timers; without any of them the same updates come out."""
    given = decisions(*seconds, policy=MORTAL)
    timed, lazy = Driven(learn(MORTAL)), Driven(learn(MORTAL))
    for batch in given:
        for step in sorted(steps):
            if timed.keyed.watermark_ms < T0_MS + step * 1000 < batch[2]:
                timed.watermark(T0_MS + step * 1000)
        feed(timed, [batch])
        feed(lazy, [batch])
    assert timeless(timed.main) == timeless(lazy.main)


def test_an_entity_that_comes_back_begins_anew() -> None:
    driven = Driven(learn(MORTAL))
    first, back = decisions(1, 200)
    feed(driven, [first])
    driven.watermark(back[2] - 2)
    (update,) = feed(driven, [back])
    assert state_of(update).count == 1


def test_a_window_at_the_very_end_of_its_time_still_finds_the_entity() -> None:
    driven = Driven(learn(MORTAL))
    first, last = decisions(1, 1 + TTL_MS // 1000)
    assert last[2] == first[2] + TTL_MS
    assert summary(feed(driven, [first, last])) == [(U, first[2], False), (U, last[2], False)]


def test_the_end_of_the_input_drops_nobody() -> None:
    driven = Driven(learn(MORTAL))
    feed(driven, decisions(1))
    assert driven.end() == []


# Warm start.


def pinned(folder: Path, update: Any) -> WarmStart:
    """A warm start from a bucket to which an update was published."""
    key = "m", POLICY.generation, shard_of(U, POLICY.shards)
    store = FolderStore(folder)
    ShardWriter(store, *key, 1).publish(update[2], [from_state(U, state_of(update))])
    found = read_manifest(store, *key)
    assert found is not None
    files: tuple[FileEntry, ...] = found.manifest.files
    return WarmStart(str(folder), {key: files})


def test_a_key_without_state_goes_on_from_what_was_published(tmp_path: Path) -> None:
    first, second = decisions(1, 11)
    whole = Driven(learn())
    update, expected = feed(whole, [first, second])
    driven = Driven(learn(warm_start=pinned(tmp_path, update)))
    (found,) = feed(driven, [second])
    assert to_bytes(state_of(found)) == to_bytes(state_of(expected))


def test_a_window_that_was_published_is_not_learned_again(tmp_path: Path) -> None:
    first = decisions(1)
    (update,) = feed(Driven(learn()), first)
    driven = Driven(learn(warm_start=pinned(tmp_path, update)))
    assert feed(driven, first) == []
    assert counts(driven)["already_learned"] == 1


def test_a_key_with_state_does_not_look_at_what_was_published(tmp_path: Path) -> None:
    first, second, third = decisions(1, 11, 21)
    driven = Driven(learn())
    feed(driven, [first])
    _, later = feed(Driven(learn()), [first, second])
    restored = driven.restored(learn(warm_start=pinned(tmp_path, later)))
    (update,) = feed(restored, [third])
    assert state_of(update).count == 2


def test_a_dropped_entity_does_not_come_back_from_what_was_published(tmp_path: Path) -> None:
    first, back = decisions(1, 200)
    driven = Driven(learn(MORTAL))
    (update,) = feed(driven, [first])
    driven.watermark(back[2] - 2)
    restored = driven.restored(learn(MORTAL, warm_start=pinned(tmp_path, update)))
    (found,) = feed(restored, [back])
    assert state_of(found).count == 1


def test_what_was_published_too_long_ago_is_dropped_as_state_would_be(tmp_path: Path) -> None:
    first, back = decisions(1, 200)
    (update,) = feed(Driven(learn(MORTAL)), [first])
    driven = Driven(learn(MORTAL, warm_start=pinned(tmp_path, update)))
    tombstone, found = feed(driven, [back])
    assert summary([tombstone]) == [(U, first[2] + TTL_MS, True)]
    assert state_of(found).count == 1


# Generations.


def test_a_state_of_another_generation_counts_for_nothing() -> None:
    first, second = decisions(1, 11)
    driven = Driven(learn())
    feed(driven, [first])
    other = replace(POLICY, generation="ffffffffffff")
    (update,) = feed(driven.restored(learn(other)), [second])
    assert (state_of(update).count, state_of(update).generation) == (1, "ffffffffffff")


def test_a_window_that_was_learned_in_another_generation_does_nothing_again() -> None:
    (first,) = decisions(1)
    driven = Driven(learn())
    feed(driven, [first])
    other = replace(POLICY, generation="ffffffffffff")
    assert feed(driven.restored(learn(other)), [first]) == []
