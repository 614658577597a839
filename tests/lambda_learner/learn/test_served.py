"""What a reader of the bucket had, by hand."""

from __future__ import annotations

import pytest

from lambda_learner.learn import Example, LearnerSettings, learn
from lambda_learner.learn.served import Readers, newest_readable, outdated, served_score
from lambda_learner.learn.state import EntityState

SETTINGS = LearnerSettings()
EXAMPLE = Example("d", {("item.a", ""): 1.0}, 1.0, 1.0, 0.5)


def learned(version: str = "") -> EntityState:
    return learn(None, [EXAMPLE], close_ms=10, generation="g", settings=SETTINGS, base_version=version).state


def score(state: EntityState | None, *, generation: str = "g", version: str = "") -> float:
    return served_score(EXAMPLE, state, SETTINGS.prior, generation=generation, base_version=version)


def test_a_window_is_readable_after_its_publish_interval_and_the_out_of_orderness() -> None:
    readers = Readers(out_of_orderness_ms=30_000, publish_interval_ms=5_000)
    assert [readers.have_from(close_ms) for close_ms in (10_000, 11_000, 15_000)] == [40_000, 45_000, 45_000]


def test_a_decision_is_served_by_the_newest_state_that_was_readable_by_then() -> None:
    assert [newest_readable([0, 40, 60], at_ms) for at_ms in (39, 40, 59, 60)] == [0, 40, 40, 60]
    assert newest_readable([40], 39) is None


def test_a_state_is_outdated_when_the_next_one_serves_all_that_is_to_come() -> None:
    assert [list(outdated([0, 40, 60], earliest_ms)) for earliest_ms in (39, 40, 60)] == [[], [0], [0, 40]]
    assert outdated([], 5) == []


def test_the_served_score_is_the_offset_and_what_the_state_adds() -> None:
    state = learned()
    assert score(None) == 0.5
    assert score(state) == pytest.approx(0.5 + state.posterior.mean.sum())
    assert score(state, generation="other") == 0.5


def test_a_reader_carries_a_state_over_to_another_base() -> None:
    state = learned("b1")
    assert score(state, version="b2") == score(state, version="b1") > 0.5  # the mean stays
    assert score(state, version="") == 0.5  # from a base to none: nothing is carried over
