from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_format import to_bytes
from lambda_learner.policy import ModelPolicy, Policies
from lambda_learner.publish import FileEntry, FolderStore, ShardWriter, from_state, read_manifest, shard_of
from operators.files import Line
from operators.learn import DROPPED, Learn, decode_state, encode_state
from operators.parse import ONE_ENTITY, Parser
from operators.rows import FIELD, ROW
from operators.warm_start import WarmStart
from tests.harness.cases import (
    ONE_ENTITY_POLICY,
    POLICY,
    T0_MS,
    T0_S,
    decision_line,
    joined,
    ksuid,
    record_line,
    reward_line,
)
from tests.harness.fake_flink import Driven

Batch = tuple[str, str | None, int, str]
U = '["u"]'
TTL_MS = 60_000
MORTAL = replace(POLICY, entity_ttl_ms=TTL_MS)


def batches(lines: Iterable[bytes], policy: ModelPolicy = POLICY) -> list[Batch]:
    """What the batch stage hands on for lines, in order of time."""
    parser = Parser(Policies({}, policy), max_message_bytes=10_000, max_clock_skew_ms=0)
    parsed = parser.parse([Line(0, line) for line in lines], source="f", arrival_ms=T0_MS + 10**9)
    assert parsed.dead_letters == []
    windows = sorted(joined(parsed.rows).items(), key=lambda item: item[0][0])
    return [(model, entity, close_ms, text) for (close_ms, model, entity), text in windows]


def learn(
    policy: ModelPolicy = POLICY,
    *,
    warm_start: WarmStart | None = None,
    with_scores: bool = False,
    unordered: bool = False,
) -> Learn:
    start = WarmStart("/nowhere") if warm_start is None else warm_start
    return Learn(Policies({}, policy), warm_start=start, with_scores=with_scores, unordered=unordered)


def feed(driven: Driven, given: Sequence[Batch]) -> list[Any]:
    """Hand over batches; event time reaches a window's close after it, as in Flink."""
    out = []
    for model, entity, close_ms, text in given:
        out += driven.element(f"{model}{FIELD}{entity if entity else text[27]}", (model, entity, close_ms, text))
    return out


def state_of(update: Any) -> EntityState:
    return decode_state(update[1][2])


def summary(updates: Iterable[Any]) -> list[tuple[str, int, bool]]:
    """Entity, close and whether it is a tombstone, of updates."""
    return [(update[1][0], update[1][1], update[1][2] == DROPPED) for update in updates]


def counts(driven: Driven) -> Counter[str]:
    total: Counter[str] = Counter()
    for text in driven.side["counts"]:
        for part in text.split(ROW):
            total[part.rpartition(FIELD)[2]] += int(part[:19])
    return total


def decisions(*seconds: int, user: Any = "u", policy: ModelPolicy = POLICY) -> list[Batch]:
    return batches([decision_line(second, number, user=user) for number, second in enumerate(seconds)], policy)


def test_a_window_is_learned_once_and_goes_to_its_shard() -> None:
    driven = Driven(learn())
    (update,) = feed(driven, decisions(1, 2))
    assert update[0] == f"m{FIELD}{shard_of(U, POLICY.shards)}"
    assert summary([update]) == [(U, T0_MS + 30_000, False)]
    assert state_of(update).count == 2
    assert counts(driven)["updates"] == 1


def test_learning_goes_on_from_the_window_before() -> None:
    driven = Driven(learn())
    updates = feed(driven, decisions(1, 11, 21))
    assert [state_of(update).count for update in updates] == [1, 2, 3]


def test_a_window_that_is_not_newer_is_counted_and_changes_nothing() -> None:
    driven = Driven(learn())
    first, second = decisions(1, 11)
    feed(driven, [second])
    before = dict(driven.keyed.values)
    assert feed(driven, [first, second]) == []
    assert driven.keyed.values == before
    assert counts(driven)["already_learned"] == 2


def test_entities_do_not_share_what_they_learn() -> None:
    driven = Driven(learn())
    updates = feed(driven, [*decisions(1, user="a"), *decisions(1, 2, user="b")])
    assert [(update[1][0], state_of(update).count) for update in updates] == [('["a"]', 1), ('["b"]', 2)]


def test_rows_without_entity_are_counted_and_not_learned() -> None:
    driven = Driven(learn())
    assert feed(driven, decisions(1, 2, user=None)) == []
    assert counts(driven)["no_entity"] == 2
    assert driven.keyed.values == {}


def test_orphans_go_to_their_side_output() -> None:
    driven = Driven(learn())
    assert feed(driven, batches([reward_line(2, 0, ksuid(1), 2.5)])) == []
    (line,) = driven.side["orphans"]
    assert json.loads(line) == {"model": "m", "decision_id": ksuid(1), "rewards": {ksuid(2): 2.5}}
    assert counts(driven)["orphan_rewards"] == 1


def test_scores_are_those_before_learning_one_line_a_decision() -> None:
    driven = Driven(learn(with_scores=True))
    feed(driven, batches([decision_line(1), reward_line(2, 0, ksuid(1)), decision_line(1, 9)]))
    (text,) = driven.side["scores"]
    scores = [json.loads(line) for line in text.split("\n")]
    assert scores == [["m", U, ksuid(1), 1.0, 0.0, 0.0], ["m", U, ksuid(1, 9), -1.0, 0.0, 0.0]]


def test_without_scores_none_are_given() -> None:
    driven = Driven(learn())
    feed(driven, decisions(1))
    assert driven.side["scores"] == []


def test_a_model_that_is_only_archived_is_counted_and_not_learned() -> None:
    driven = Driven(learn(replace(POLICY, learned=False)))
    assert feed(driven, decisions(1)) == []
    assert counts(driven) == {"joined": 1}


def test_a_record_is_learned_with_its_label_and_counted_as_one() -> None:
    driven = Driven(learn())
    (update,) = feed(driven, batches([record_line(1), record_line(1)]))
    assert state_of(update).count == 1
    assert (counts(driven)["learned_records"], counts(driven)["duplicate_records"]) == (1, 1)


def test_a_restart_goes_on_as_if_it_had_not_stopped() -> None:
    given = decisions(1, 11, 21, 31)
    whole, first = Driven(learn()), Driven(learn())
    feed(whole, given)
    feed(first, given[:2])
    second = first.restored(learn())
    feed(second, given[2:])
    assert second.keyed == whole.keyed


# One entity for the whole model: its rows come in chunks.


def chunks(*seconds: int) -> list[Batch]:
    """Each decision in a chunk of its own."""
    return [batch for second in seconds for batch in decisions(second, policy=ONE_ENTITY_POLICY)]


def test_a_model_without_entities_waits_for_all_chunks_of_a_window() -> None:
    driven = Driven(learn(ONE_ENTITY_POLICY))
    assert feed(driven, chunks(1, 2, 3)) == []
    assert driven.watermark(T0_MS + 29_999) == []
    (update,) = driven.watermark(T0_MS + 30_000)
    assert state_of(update).count == 3
    assert summary([update]) == [(ONE_ENTITY, T0_MS + 30_000, False)]
    assert driven.watermark(T0_MS + 90_000) == []


def test_chunks_in_any_order_give_the_same() -> None:
    one, other = Driven(learn(ONE_ENTITY_POLICY)), Driven(learn(ONE_ENTITY_POLICY))
    given = chunks(1, 2, 11, 3, 12)
    feed(one, given)
    feed(other, given[::-1])
    assert list(map(tuple, one.end())) == list(map(tuple, other.end()))


def test_chunks_survive_a_restart() -> None:
    driven = Driven(learn(ONE_ENTITY_POLICY))
    feed(driven, chunks(1, 2))
    (update,) = driven.restored(learn(ONE_ENTITY_POLICY)).end()
    assert state_of(update).count == 2


# Batch mode: the elements of a key come in no order.


@given(
    seconds=st.lists(st.integers(0, 300), min_size=1, max_size=8, unique=True),
    order=st.randoms(use_true_random=False),
    policy=st.sampled_from([POLICY, MORTAL]),
)
def test_windows_in_no_order_are_learned_as_in_order(seconds: list[int], order: Any, policy: ModelPolicy) -> None:
    ordered = decisions(*seconds, policy=policy)
    shuffled = list(ordered)
    order.shuffle(shuffled)
    streaming, batch = Driven(learn(policy)), Driven(learn(policy, unordered=True))
    feed(streaming, ordered)
    streaming.end()
    assert feed(batch, shuffled) == []
    batch.end()
    assert list(map(tuple, batch.main)) == list(map(tuple, streaming.main))
    assert counts(batch) == counts(streaming)


def test_rows_without_entity_are_counted_in_batch_mode_too() -> None:
    driven = Driven(learn(unordered=True))
    feed(driven, decisions(1, 2, user=None))
    assert driven.end() == []
    assert counts(driven)["no_entity"] == 2


# Time to live.


def test_an_idle_entity_is_dropped_with_a_tombstone_when_its_time_is_over() -> None:
    driven = Driven(learn(MORTAL))
    feed(driven, decisions(1))
    expiry_ms = T0_MS + 30_000 + TTL_MS
    assert driven.watermark(expiry_ms - 1) == []
    assert summary(driven.watermark(expiry_ms)) == [(U, expiry_ms, True)]


def test_an_entity_that_is_seen_in_time_lives_on() -> None:
    driven = Driven(learn(MORTAL))
    first, second = decisions(1, 51)
    feed(driven, [first])
    driven.watermark(second[2] - 1)
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
    assert list(map(tuple, timed.main)) == list(map(tuple, lazy.main))


def test_an_entity_that_comes_back_begins_anew() -> None:
    driven = Driven(learn(MORTAL))
    first, back = decisions(1, 200)
    feed(driven, [first])
    driven.watermark(back[2] - 1)
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
    ShardWriter(store, *key, 1).publish(update[1][1], [from_state(U, state_of(update))])
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
    driven.watermark(back[2] - 1)
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


def test_a_state_of_another_generation_has_no_fence() -> None:
    (first,) = decisions(1)
    driven = Driven(learn())
    feed(driven, [first])
    other = replace(POLICY, generation="ffffffffffff")
    (update,) = feed(driven.restored(learn(other)), [first])
    assert state_of(update).fence_ms == first[2]


def test_a_state_comes_back_from_its_text_bit_for_bit() -> None:
    (update,) = feed(Driven(learn()), decisions(1))
    state = state_of(update)
    assert encode_state(state) == update[1][2]
    assert to_bytes(decode_state(encode_state(state))) == to_bytes(state)


@pytest.mark.parametrize("reward", [1e155, 1.7e308, -1.7e308])
@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_no_reward_stops_the_job(kind: Any, reward: float) -> None:
    policy = replace(POLICY, learner=replace(POLICY.learner, kind=kind))
    lines = [decision_line(1), reward_line(2, 0, ksuid(1), reward), decision_line(11), decision_line(21)]
    updates = feed(Driven(learn(policy)), batches(lines, policy))
    assert [update[1][1] - T0_S * 1000 for update in updates] == [30_000, 40_000, 50_000]
