"""How evidence fades: by batch, by record and by time."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from lambda_learner.learn import EntityState, Example, LearnerSettings, learn

Form = Literal["diagonal", "full"]
FORMS: list[Form] = ["diagonal", "full"]
A = ("item.genre", "a")


def learned(state: EntityState | None, n: int, settings: LearnerSettings, *, close_ms: int) -> EntityState:
    """The state after a window of n records that say nothing (weight 0)."""
    silent = [Example(str(i), {}, 1.0, weight=0.0) for i in range(n)]
    return learn(state, silent, close_ms=close_ms, generation="g", settings=settings).state


def taught(settings: LearnerSettings) -> EntityState:
    example = Example("1", {A: 2.0}, 6.0)
    return learn(None, [example], close_ms=0, generation="g", settings=settings).state


def evidence(state: EntityState, settings: LearnerSettings) -> float:
    """How far the precision of A is above the prior's."""
    precision = state.posterior.precision
    of_a = precision[1] if precision.ndim == 1 else precision[1, 1]
    return float(of_a) - settings.prior_precision


@pytest.mark.parametrize("form", FORMS)
def test_a_silent_coefficient_returns_to_its_prior_geometrically(form: Form) -> None:
    settings = LearnerSettings(kind="linear", prior_mean=0.3, prior_precision=2.0, posterior=form, forgetting=0.5)
    state = taught(settings)
    for i in range(1, 60):
        before, state = state, learned(state, 1, settings, close_ms=i)
        assert evidence(state, settings) == pytest.approx(0.5 * evidence(before, settings), abs=1e-12)
    assert state.posterior.mean[1] == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_without_forgetting_a_silent_coefficient_keeps_its_bits(form: Form) -> None:
    settings = LearnerSettings(kind="linear", posterior=form)
    before = taught(settings)
    after = learned(before, 3, settings, close_ms=1)
    np.testing.assert_array_equal(after.posterior.precision, before.posterior.precision)
    np.testing.assert_array_equal(after.posterior.mean, before.posterior.mean)


def test_forgetting_by_batch_does_not_look_at_the_number_of_records() -> None:
    settings = LearnerSettings(kind="linear", forgetting=0.9)
    start = evidence(taught(settings), settings)
    assert evidence(learned(taught(settings), 5, settings, close_ms=1), settings) == pytest.approx(0.9 * start)


def test_forgetting_by_record_counts_each_record() -> None:
    settings = LearnerSettings(kind="linear", forgetting=0.9, forgetting_per="record")
    start = evidence(taught(settings), settings)
    after = learned(taught(settings), 5, settings, close_ms=1)
    assert evidence(after, settings) == pytest.approx(0.9**5 * start)


def test_forgetting_by_time_counts_from_one_window_s_end_to_the_next() -> None:
    settings = LearnerSettings(kind="linear", forgetting=0.5, forgetting_per="time", forgetting_tau_ms=60_000)
    start = evidence(taught(settings), settings)
    after = learned(taught(settings), 5, settings, close_ms=90_000)
    assert evidence(after, settings) == pytest.approx(0.5**1.5 * start)
    once_more = learned(after, 1, settings, close_ms=120_000)
    assert evidence(once_more, settings) == pytest.approx(0.25 * start)


def test_a_first_window_forgets_nothing() -> None:
    settings = LearnerSettings(kind="linear", forgetting=0.1)
    plain = LearnerSettings(kind="linear")
    np.testing.assert_array_equal(taught(settings).posterior.mean, taught(plain).posterior.mean)


def test_a_window_that_is_passed_over_still_forgets() -> None:
    settings = LearnerSettings(kind="linear", forgetting=0.5)
    bad = Example("1", {A: float("nan")}, 1.0)
    result = learn(taught(settings), [bad], close_ms=1, generation="g", settings=settings)
    assert result.outcome == "non_finite"
    assert evidence(result.state, settings) == pytest.approx(0.5 * evidence(taught(settings), settings))
