"""Scores as served, beside those of learn time: windows of 20 s and intervals of 10 s, readable 10 s after."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn.served import Readers
from lambda_learner.policy import ModelPolicy
from tests.harness.cases import ONE_ENTITY_POLICY, POLICY, decision_line, ksuid, reward_line
from tests.harness.fake_flink import Driven
from tests.harness.learning import MORTAL, Batch, batches, feed, learn

READERS = Readers(out_of_orderness_ms=10_000, publish_interval_ms=10_000)


def liked(*seconds: int, policy: ModelPolicy = POLICY) -> list[Batch]:
    """Decisions of one user, all with a reward."""
    lines = [decision_line(second) for second in seconds]
    return batches([*lines, *(reward_line(second, 1, ksuid(second)) for second in seconds)], policy)


def scores(driven: Driven) -> dict[int, tuple[float, float | None]]:
    """The score of learn time and the served one, by second."""
    rows = [json.loads(line) for text in driven.side["scores"] for line in text.split("\n")]
    second_of = {ksuid(second): second for second in range(500)}
    return {second_of[row[2]]: (row[5], row[6]) for row in rows}


def scored(given: list[Batch], policy: ModelPolicy = POLICY, readers: Readers = READERS) -> dict[int, Any]:
    driven = Driven(learn(policy, scored_for=readers))
    feed(driven, given)
    driven.end()
    return scores(driven)


def test_a_decision_is_served_by_what_was_published_when_it_was_made() -> None:
    found = scored(liked(1, 11, 39, 40))  # windows end at 30, 40 and 60 s; the first is readable from 40 s on
    assert found[1] == (0.0, 0.0)
    assert found[11][0] > 0.0
    assert found[11][1] == 0.0
    assert found[39][0] == found[40][0] > found[11][0]
    assert found[39][1] == 0.0
    assert found[40][1] == pytest.approx(found[11][0])  # what was learned from the first window alone


def test_of_the_states_of_one_publish_interval_readers_get_the_last() -> None:
    found = scored(liked(1, 11, 75, 200), readers=Readers(0, 60_000))  # windows end at 30, 40, 100 and 220 s
    assert found[11][1] == 0.0
    assert found[75][1] == found[75][0]  # both of the first are readable from 60 s on
    assert found[200][1] == pytest.approx(found[200][0])


def test_a_restart_gives_the_scores_of_a_run_that_did_not_stop() -> None:
    given = liked(1, 11, 21, 41, 45, 61)
    first = Driven(learn(scored_for=READERS))
    feed(first, given[:2])
    second = first.restored(learn(scored_for=READERS))
    feed(second, given[2:])
    assert scores(first) | scores(second) == scored(given)


def test_what_was_learned_while_no_states_were_kept_is_not_known() -> None:
    first = Driven(learn())
    feed(first, liked(1))
    second = first.restored(learn(scored_for=READERS))
    feed(second, liked(11, 45))
    found = scores(second)
    assert found[11][1] is None  # before 40 s readers may have had something older, or nothing
    assert found[45][1] == pytest.approx(found[11][0])


def test_a_run_without_scores_in_between_leaves_no_gap_that_is_not_noticed() -> None:
    first = Driven(learn(scored_for=READERS))
    feed(first, liked(1))
    between = first.restored(learn())
    feed(between, liked(11))
    third = between.restored(learn(scored_for=READERS))
    feed(third, liked(42, 55))
    found = scores(third)
    assert found[42][1] is None
    assert found[55][1] == found[42][0]


def test_an_entity_that_was_dropped_is_served_as_one_that_is_new() -> None:
    found = scored(liked(1, 300, policy=MORTAL), MORTAL)  # a minute to live
    assert found[300] == (0.0, 0.0)


def test_a_model_without_entities_is_served_too() -> None:
    given = [batch for second in (1, 60) for batch in liked(second, policy=ONE_ENTITY_POLICY)]
    found = scored(given, ONE_ENTITY_POLICY)
    assert found[60][1] == found[60][0] > 0.0


def test_states_that_nobody_asks_for_again_are_forgotten() -> None:
    driven = Driven(learn(scored_for=READERS))
    feed(driven, liked(*range(1, 400, 10)))
    (kept,) = (states for (name, _), states in driven.keyed.maps.items() if name == "readable-states")
    assert len(kept) <= 5  # window, interval and out-of-orderness are 40 s


@given(
    seconds=st.lists(st.integers(0, 300), min_size=1, max_size=8, unique=True),
    order=st.randoms(use_true_random=False),
    policy=st.sampled_from([POLICY, MORTAL]),
)
def test_batch_mode_serves_what_a_stream_does(seconds: list[int], order: Any, policy: ModelPolicy) -> None:
    ordered = liked(*sorted(seconds), policy=policy)
    shuffled = list(ordered)
    order.shuffle(shuffled)
    batch = Driven(learn(policy, unordered=True, scored_for=READERS))
    feed(batch, shuffled)
    batch.end()
    assert scores(batch) == scored(ordered, policy)


@given(seconds=st.lists(st.integers(0, 300), min_size=1, max_size=10, unique=True))
def test_what_is_forgotten_would_have_served_nobody(seconds: list[int]) -> None:
    """With a reward window so long that no state is forgotten, of windows that end at the same times."""
    given = liked(*sorted(seconds))
    keeps_all = replace(POLICY, reward=replace(POLICY.reward, window_ms=10**9))
    driven = Driven(learn(keeps_all, scored_for=READERS))
    feed(driven, given)
    assert scores(driven) == scored(given)
