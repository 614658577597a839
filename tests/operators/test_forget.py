"""A line that has an entity forgotten, stage by stage: parse, learn, publish."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.archive.forget_record import sha256
from lambda_learner.archive.forgotten import Forgotten
from lambda_learner.events.forgets import FORGET_DELAY_MS, forget_line
from lambda_learner.learn.state_format import to_bytes
from lambda_learner.policy import ModelPolicy, Policies
from lambda_learner.publish import EntityCoefficients, FolderStore, ShardWriter, from_state, read_manifest, shard_of
from lambda_learner.publish.coefficients import Tombstone
from operators.files import Line
from operators.learn import DROPPED, ERASED
from operators.parse import Parsed, Parser
from operators.publish import pending_of
from operators.rows import FIELD, late_line, window_row
from operators.warm_start import WarmStart
from tests.harness.cases import ONE_ENTITY_POLICY, POLICY, T0_MS, decision_line, joined, ksuid, record_line
from tests.harness.cases import forgetting_line as line
from tests.harness.fake_flink import Driven
from tests.harness.learning import MORTAL, U, batches, counts, feed, gathered, learn, state_of, state_text_of, timeless

DELAY_S = FORGET_DELAY_MS // 1000


def parse(*lines: bytes, policy: ModelPolicy = POLICY) -> Parsed:
    parser = Parser(Policies({}, policy), max_message_bytes=1000, max_clock_skew_ms=0)
    return parser.parse([Line(0, each) for each in lines], source="f", arrival_ms=T0_MS + 10**9)


# Parse.


def test_a_line_enters_the_window_of_its_entity_that_ends_when_it_is_forgotten() -> None:
    parsed = parse(line(5))
    close_ms = T0_MS + FORGET_DELAY_MS + 10_000  # 5 s more, rounded up to 10
    ((key, text),) = joined(parsed.rows).items()
    assert key == (close_ms, "m", U)
    assert window_row("m", text)[:1] == ("F",)
    assert parsed.counts == {(T0_MS, "", "lines"): 1, (T0_MS, "m", "forgets"): 1}
    assert parsed.archived == []


@pytest.mark.parametrize(("policy", "paths"), [(ONE_ENTITY_POLICY, "none"), (POLICY, "context.user")])
def test_an_entity_that_the_model_cannot_have_is_a_dead_letter(policy: ModelPolicy, paths: str) -> None:
    values = ["u", 1] if policy is POLICY else ["u"]
    parsed = parse(forget_line(ksuid(1), "m", values, received_ms=T0_MS + 1000), policy=policy)
    (letter,) = map(json.loads, parsed.dead_letters)
    assert (letter["reason"], letter["field"]) == ("bad_forget", "entity")
    assert f"one value for each entity path of the model ({paths})" in letter["message"]


def test_a_late_row_can_be_read_by_people() -> None:
    close, _, key, model, note, content = parse(line(5)).rows[0].split(FIELD)
    row = json.loads(late_line(int(close) // 1000, key, model, note, content))
    assert (row["kind"], row["id"], row["payload"]["entity"]) == ("F", ksuid(5), ["u"])


# Learn. A decision of second s closes at s + 20 rounded up to 10.


def test_the_state_goes_with_an_update_of_its_own() -> None:
    driven = Driven(learn())
    _, erased = feed(driven, batches([decision_line(1), line(2)]))
    assert (erased[1], erased[2]) == (f"{ERASED}{U}", T0_MS + FORGET_DELAY_MS + 10_000)
    assert state_text_of(erased) == DROPPED
    assert erased[0] == f"m{FIELD}{shard_of(U, POLICY.shards)}"
    assert not any("u" in str(value) for value in driven.keyed.values.values())
    assert (counts(driven)["forgets"], counts(driven)["applied_forgets"]) == (0, 1)


def test_what_was_decided_before_is_not_learned_and_what_came_after_begins_anew() -> None:
    long = replace(POLICY, reward=replace(POLICY.reward, window_ms=600_000))
    before = [decision_line(second, second) for second in (1, 50, 2 + DELAY_S)]
    after = [decision_line(second, second) for second in (3 + DELAY_S, 200)]
    driven, fresh = Driven(learn(long)), Driven(learn(long))
    updates = feed(driven, batches([*before, line(2), *after], long))
    expected = feed(fresh, batches(after, long))
    assert timeless(updates[1:]) == timeless(expected)
    assert updates[0][1] == f"{ERASED}{U}"
    assert counts(driven)["forgotten"] == len(before)
    assert counts(driven)["joined"] == len(before) + len(after)


def test_training_records_of_before_are_not_learned() -> None:
    driven = Driven(learn())
    given = batches([line(2), record_line(1 + DELAY_S), record_line(9 + DELAY_S), record_line(11 + DELAY_S)])
    updates = feed(driven, given)
    assert [state_of(update).count for update in updates[1:]] == [1, 2]
    assert counts(driven)["forgotten"] == 1


def test_an_entity_without_a_state_is_forgotten_too() -> None:
    driven = Driven(learn())
    (erased,) = feed(driven, batches([line(2)]))
    assert erased[1] == f"{ERASED}{U}"


def test_other_entities_are_left_alone() -> None:
    driven = Driven(learn())
    feed(driven, batches([decision_line(1, user="other"), line(2)]))
    (_, found) = feed(driven, batches([decision_line(40, 1, user="other"), decision_line(300, 2, user="other")]))
    assert state_of(found).count == 3


def test_a_line_seen_twice_counts_once() -> None:
    driven = Driven(learn())
    assert len(feed(driven, batches([line(2), line(2)]))) == 1
    assert (counts(driven)["applied_forgets"], counts(driven)["duplicate_forgets"]) == (1, 1)


def test_an_entity_may_be_forgotten_again() -> None:
    driven = Driven(learn())
    updates = feed(driven, batches([line(2), decision_line(100), line(110), decision_line(130), decision_line(300)]))
    assert [(update[1] == f"{ERASED}{U}") for update in updates] == [True, False, False, True, False]
    assert state_of(updates[-1]).count == 1


@given(
    seconds=st.lists(st.integers(0, 300), max_size=8, unique=True),
    at=st.integers(0, 200),
    cut=st.integers(0, 10),
    policy=st.sampled_from([POLICY, MORTAL]),
)
def test_a_restart_at_any_place_gives_the_same(seconds: list[int], at: int, cut: int, policy: ModelPolicy) -> None:
    given = batches([*(decision_line(second, second) for second in sorted(seconds)), line(at)], policy)
    whole, first = Driven(learn(policy)), Driven(learn(policy))
    feed(whole, given)
    feed(first, given[:cut])
    second = first.restored(learn(policy))
    feed(second, given[cut:])
    assert second.keyed == whole.keyed


@given(
    seconds=st.lists(st.integers(0, 300), max_size=8, unique=True),
    at=st.integers(0, 200),
    order=st.randoms(use_true_random=False),
)
def test_a_replay_in_no_order_gives_the_same(seconds: list[int], at: int, order: Any) -> None:
    given = batches([*(decision_line(second, second) for second in seconds), line(at)])
    shuffled = list(given)
    order.shuffle(shuffled)
    streaming, batch = Driven(learn()), Driven(learn(unordered=True))
    feed(streaming, given)
    assert feed(batch, shuffled) == []
    batch.end()
    assert timeless(batch.main) == timeless(streaming.main)
    assert counts(batch) == counts(streaming)


def published(folder: Any, update: Any) -> WarmStart:
    """A warm start from a bucket to which an update was published."""
    key = "m", POLICY.generation, shard_of(U, POLICY.shards)
    store = FolderStore(folder)
    ShardWriter(store, *key, 1).publish(update[2], [from_state(U, state_of(update))])
    found = read_manifest(store, *key)
    assert found is not None
    return WarmStart(str(folder), {key: found.manifest.files})


def test_what_was_published_does_not_come_back(tmp_path: Any) -> None:
    (update,) = feed(Driven(learn()), batches([decision_line(1)]))
    driven = Driven(learn(warm_start=published(tmp_path, update)))
    _, later = feed(driven, batches([line(30), decision_line(300)]))
    assert state_of(later).count == 1


def test_what_was_published_of_a_later_window_goes_too(tmp_path: Any) -> None:
    """A bounded run closes windows ahead of the clock: their fence is no sign that a line was read before."""
    (update,) = feed(Driven(learn()), batches([decision_line(200)]))
    driven = Driven(learn(warm_start=published(tmp_path, update)))
    (erased,) = feed(driven, batches([line(2)]))
    assert erased[1] == f"{ERASED}{U}"


def test_a_line_that_is_read_again_brings_what_came_after_it_back_as_it_was(tmp_path: Any) -> None:
    given = batches([decision_line(1), line(2), decision_line(100), decision_line(200)])
    *_, update = feed(Driven(learn()), given)
    *_, again = feed(Driven(learn(warm_start=published(tmp_path, update))), given)
    assert to_bytes(state_of(again)) == to_bytes(state_of(update))


def test_what_is_known_to_be_forgotten_is_not_learned_from_a_log_without_the_line() -> None:
    known = Forgotten({"m": {sha256(U): T0_MS + 100_000}})
    driven = Driven(learn(forgotten=known))
    (update,) = feed(driven, batches([decision_line(1), decision_line(100, 1), decision_line(101, 2)]))
    assert state_of(update).count == 1
    assert counts(driven)["forgotten"] == 2
    assert feed(driven, batches([decision_line(1, user="v")])) != []


# Publish.


def test_the_tombstone_is_before_what_was_learned_anew_in_the_same_interval() -> None:
    driven = Driven(learn())
    feed(driven, batches([decision_line(1), line(2), decision_line(100)]))
    ((_, _, texts),) = gathered(driven.main, 600_000)
    older, newer = pending_of(texts, POLICY.generation)
    assert (older.update, older.erases) == (Tombstone(U, T0_MS + FORGET_DELAY_MS + 10_000), True)
    assert isinstance(newer.update, EntityCoefficients)
    assert (newer.update.count, newer.erases) == (1, False)
