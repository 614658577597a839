from __future__ import annotations

import pytest

from lambda_learner.learn.state_format import to_bytes
from lambda_learner.learn.state_text import encode_state
from operators.kept import Held
from operators.rows import FIELD
from operators.served import NO_STATE
from tests.harness.fake_flink import Driven
from tests.harness.learning import decisions, feed, learn, state_of

(UPDATE,) = feed(Driven(learn()), decisions(1))
STATE = state_of(UPDATE)
TEXT = encode_state(STATE)
FENCE_MS = STATE.fence_ms


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (Held(STATE, 0, FENCE_MS), TEXT),
        (Held(STATE, 5, FENCE_MS), f"{TEXT}{FIELD}5"),
        (Held(STATE, 5, FENCE_MS + 1), f"{TEXT}{FIELD}5{FIELD}{FENCE_MS + 1}"),
        (Held(None, 0, 7), f"{FIELD}0{FIELD}7"),
    ],
)
def test_what_is_kept_comes_back(held: Held, text: str) -> None:
    assert held.text(TEXT if held.state else NO_STATE) == text
    found = Held.of(text)
    assert found[1:] == held[1:]
    assert (found.state and to_bytes(found.state)) == (held.state and to_bytes(held.state))


def test_of_a_new_key_nothing_is_kept_and_it_has_had_no_window() -> None:
    assert Held.of(None) == Held(None, 0, 0)
    assert not Held.of(None).has_passed(1_000)


@pytest.mark.parametrize(("text", "forgotten_ms"), [(NO_STATE, 0), (f"{NO_STATE}{FIELD}5", 5)])
def test_a_key_that_a_release_before_has_dropped_is_no_new_one(text: str, forgotten_ms: int) -> None:
    held = Held.of(text)
    assert (held.state, held.forgotten_ms, held.is_published) == (None, forgotten_ms, False)
    assert held.fence_ms  # so that it does not begin from what was published once
    assert not held.has_passed(1_000)


def test_a_window_has_passed_when_it_or_a_later_one_was_there() -> None:
    held = Held(STATE, 0, FENCE_MS)
    assert [held.has_passed(FENCE_MS + ms) for ms in (-1, 0, 1)] == [True, True, False]
