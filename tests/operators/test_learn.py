from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn.served import Readers
from lambda_learner.learn.state_format import to_bytes
from lambda_learner.learn.state_text import decode_state, encode_state
from lambda_learner.policy import ModelPolicy
from lambda_learner.publish import shard_of
from operators.rows import FIELD, ONE_ENTITY
from tests.harness.cases import (
    ONE_ENTITY_POLICY,
    POLICY,
    T0_MS,
    T0_S,
    decision_line,
    ksuid,
    record_line,
    reward_line,
)
from tests.harness.fake_flink import Driven
from tests.harness.learning import (
    MORTAL,
    Batch,
    U,
    batches,
    counts,
    decisions,
    feed,
    learn,
    state_of,
    state_text_of,
    summary,
    timeless,
)


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


@pytest.mark.parametrize("user", ["u", None])
def test_a_window_that_is_read_again_does_nothing(user: str | None) -> None:
    first, second, third = decisions(1, 11, 21, user=user)
    orphan = batches([reward_line(2, 9, ksuid(1, 99))])
    once, driven = Driven(learn()), Driven(learn())
    for batch in (first, *orphan, second, third):
        feed(once, [batch])
    feed(driven, [first, *orphan, second])
    again = driven.restored(learn())
    feed(again, [first, *orphan, second, third])
    assert timeless([*driven.main, *again.main]) == timeless(once.main)
    assert counts(driven) + counts(again) == counts(once)
    assert driven.side["orphans"] + again.side["orphans"] == once.side["orphans"]


def test_entities_do_not_share_what_they_learn() -> None:
    driven = Driven(learn())
    updates = feed(driven, [*decisions(1, user="a"), *decisions(1, 2, user="b")])
    assert [(update[1], state_of(update).count) for update in updates] == [('["a"]', 1), ('["b"]', 2)]


def test_rows_without_entity_are_counted_and_not_learned() -> None:
    driven = Driven(learn())
    assert feed(driven, decisions(1, 2, user=None)) == []
    assert counts(driven)["no_entity"] == 2


def test_orphans_go_to_their_side_output() -> None:
    driven = Driven(learn())
    assert feed(driven, batches([reward_line(2, 0, ksuid(1), 2.5)])) == []
    (line,) = driven.side["orphans"]
    assert json.loads(line) == {"model": "m", "decision_id": ksuid(1), "rewards": {ksuid(2): 2.5}}
    assert counts(driven)["orphan_rewards"] == 1


def test_scores_are_those_before_learning_one_line_a_decision() -> None:
    driven = Driven(learn(scored_for=Readers(0, 10_000)))
    feed(driven, batches([decision_line(1), reward_line(2, 0, ksuid(1)), decision_line(1, 9)]))
    (text,) = driven.side["scores"]
    scores = [json.loads(line) for line in text.split("\n")]
    assert scores == [["m", U, ksuid(1), 1.0, 0.0, 0.0, 0.0], ["m", U, ksuid(1, 9), -1.0, 0.0, 0.0, 0.0]]


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
    assert driven.watermark(T0_MS + 29_998) == []
    (update,) = driven.watermark(T0_MS + 29_999)
    assert state_of(update).count == 3
    assert summary([update]) == [(ONE_ENTITY, T0_MS + 30_000, False)]
    assert driven.watermark(T0_MS + 90_000) == []


def test_chunks_in_any_order_give_the_same() -> None:
    one, other = Driven(learn(ONE_ENTITY_POLICY)), Driven(learn(ONE_ENTITY_POLICY))
    given = chunks(1, 2, 11, 3, 12)
    feed(one, given)
    feed(other, given[::-1])
    assert timeless(one.end()) == timeless(other.end())


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
    assert timeless(batch.main) == timeless(streaming.main)
    assert counts(batch) == counts(streaming)


def test_rows_without_entity_are_counted_in_batch_mode_too() -> None:
    driven = Driven(learn(unordered=True))
    feed(driven, decisions(1, 2, user=None))
    assert driven.end() == []
    assert counts(driven)["no_entity"] == 2


def test_a_state_comes_back_from_its_text_bit_for_bit() -> None:
    (update,) = feed(Driven(learn()), decisions(1))
    state = state_of(update)
    assert encode_state(state) == state_text_of(update)
    assert to_bytes(decode_state(encode_state(state))) == to_bytes(state)


@pytest.mark.parametrize("reward", [1e155, 1.7e308, -1.7e308])
@pytest.mark.parametrize("kind", ["linear", "logistic"])
def test_no_reward_stops_the_job(kind: Any, reward: float) -> None:
    policy = replace(POLICY, learner=replace(POLICY.learner, kind=kind))
    lines = [decision_line(1), reward_line(2, 0, ksuid(1), reward), decision_line(11), decision_line(21)]
    updates = feed(Driven(learn(policy)), batches(lines, policy))
    assert [update[2] - T0_S * 1000 for update in updates] == [30_000, 40_000, 50_000]
