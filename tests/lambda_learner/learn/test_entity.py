"""What a window does to an entity: scores, fence, generation, new features, the cap, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lambda_learner.learn import INTERCEPT, EntityState, Example, LearnerSettings, LearnResult, Names, learn
from lambda_learner.learn.base_change import NO_BASE, state_under_base
from lambda_learner.learn.losses import Kind
from lambda_learner.learn.state_format import to_bytes

A, B, C = ("item.genre", "a"), ("item.genre", "b"), ("item.year", "")
LINEAR = LearnerSettings(kind="linear")


def learned(
    state: EntityState | None,
    *examples: Example,
    close_ms: int = 1_000,
    settings: LearnerSettings = LINEAR,
    base_version: str = NO_BASE,
) -> LearnResult:
    return learn(state, examples, close_ms=close_ms, generation="g1", settings=settings, base_version=base_version)


def mean_of(state: EntityState) -> dict[tuple[str, str], float]:
    return dict(zip(state.names, state.posterior.mean.tolist(), strict=True))


def precision_of(state: EntityState) -> dict[tuple[str, str], float]:
    precision = state.posterior.precision
    diagonal = precision if precision.ndim == 1 else np.diagonal(precision)
    return dict(zip(state.names, diagonal.tolist(), strict=True))


@pytest.mark.parametrize("form", ["diagonal", "full"])
def test_one_linear_record_moves_each_coefficient_by_its_share(form: str) -> None:
    # Prior N(0, 1) each, x = (1, 2): K = 5, dual weight 6 / (1 + 5) = 1
    settings = LearnerSettings(kind="linear", posterior="full" if form == "full" else "diagonal")
    state = learned(None, Example("1", {A: 2.0}, 6.0), settings=settings).state
    assert mean_of(state) == pytest.approx({INTERCEPT: 1.0, A: 2.0})
    assert precision_of(state) == pytest.approx({INTERCEPT: 2.0, A: 5.0})
    assert (state.generation, state.fence_ms, state.count) == ("g1", 1_000, 1)


def test_a_full_posterior_keeps_what_two_features_share() -> None:
    settings = LearnerSettings(kind="linear", posterior="full")
    state = learned(None, Example("1", {A: 2.0}, 6.0), settings=settings).state
    np.testing.assert_allclose(state.posterior.precision, [[2.0, 2.0], [2.0, 5.0]])


def test_examples_are_scored_by_the_published_mean_before_they_are_learned() -> None:
    settings = LearnerSettings(kind="linear", prior_mean=0.5, forgetting=0.5)
    first = learned(None, Example("1", {A: 2.0}, 6.0, offset=1.0), settings=settings)
    assert first.scores == (("1", 6.0, 1.0, 1.0 + 2.0 * 0.5),)
    mean = mean_of(first.state)
    second = learned(first.state, Example("2", {A: 1.0, B: 3.0}, 0.0), close_ms=2_000, settings=settings)
    assert second.scores[0].score == pytest.approx(mean[INTERCEPT] + mean[A] + 3.0 * 0.5)


@pytest.mark.parametrize(("reward", "label"), [(2.5, 1.0), (0.0, -1.0), (-3.0, -1.0), (1e-9, 1.0)])
def test_a_positive_reward_is_a_success_of_a_logistic_learner(reward: float, label: float) -> None:
    result = learned(None, Example("1", {}, reward), settings=LearnerSettings())
    assert result.scores[0].label == label
    assert math.copysign(1.0, result.state.posterior.mean[0]) == label


def test_scores_come_in_order_of_decision_id() -> None:
    result = learned(None, Example("3", {}, 3.0), Example("1", {}, 1.0), Example("2", {}, 2.0))
    assert [score.decision_id for score in result.scores] == ["1", "2", "3"]


@pytest.mark.parametrize("close_ms", [999, 1_000])
def test_a_window_that_is_not_newer_than_the_fence_changes_nothing(close_ms: int) -> None:
    state = learned(None, Example("1", {A: 1.0}, 1.0)).state
    result = learned(state, Example("2", {A: 1.0}, 9.0), close_ms=close_ms)
    assert result == LearnResult(state, (), "fenced", 0)


def test_a_state_of_another_generation_counts_for_nothing() -> None:
    old = learned(None, Example("1", {A: 1.0}, 9.0), close_ms=5_000).state
    example = Example("2", {B: 1.0}, 1.0)
    result = learn(old, [example], close_ms=1_000, generation="g2", settings=LINEAR)
    fresh = learn(None, [example], close_ms=1_000, generation="g2", settings=LINEAR)
    assert result.outcome == "learned"
    assert result.state.names == fresh.state.names
    assert (result.state.count, result.state.fence_ms) == (1, 1_000)
    np.testing.assert_array_equal(result.state.posterior.mean, fresh.state.posterior.mean)


def test_the_intercept_has_a_prior_of_its_own() -> None:
    settings = LearnerSettings(kind="linear", intercept_mean=3.0, intercept_precision=7.0, prior_precision=2.0)
    state = learned(None, Example("1", {A: 1.0}, 3.0), settings=settings).state
    assert mean_of(state) == pytest.approx({INTERCEPT: 3.0, A: 0.0})
    assert precision_of(state) == pytest.approx({INTERCEPT: 8.0, A: 3.0})


def test_a_new_feature_enters_with_the_prior_that_forgetting_has_not_touched() -> None:
    settings = LearnerSettings(kind="linear", prior_precision=2.0, forgetting=0.5)
    state = learned(None, Example("1", {A: 1.0}, 1.0), settings=settings).state
    state = learned(state, Example("2", {B: 1.0}, 1.0), close_ms=2_000, settings=settings).state
    assert precision_of(state)[A] == pytest.approx(0.5 * 3.0 + 0.5 * 2.0)
    assert precision_of(state)[B] == pytest.approx(2.0 + 1.0)


def test_names_are_sorted_after_the_intercept_whatever_came_first() -> None:
    state = learned(None, Example("1", {C: 1.0, B: 1.0}, 1.0)).state
    state = learned(state, Example("2", {A: 1.0}, 1.0), close_ms=2_000).state
    assert state.names == (INTERCEPT, A, B, C)


@pytest.mark.parametrize("form", ["diagonal", "full"])
def test_a_growing_entity_keeps_what_it_knew(form: str) -> None:
    settings = LearnerSettings(kind="linear", posterior="full" if form == "full" else "diagonal")
    before = learned(None, Example("1", {B: 1.0, C: 2.0}, 4.0), settings=settings).state
    silent = Example("2", {A: 1.0}, 9.0, weight=0.0)
    after = learned(before, silent, close_ms=2_000, settings=settings).state
    assert mean_of(after) == pytest.approx({**mean_of(before), A: 0.0})
    assert precision_of(after) == pytest.approx({**precision_of(before), A: 1.0})


def test_a_feature_of_value_zero_is_not_kept() -> None:
    assert learned(None, Example("1", {A: 0.0, B: 1.0}, 1.0)).state.names == (INTERCEPT, B)


def test_an_explicit_intercept_adds_to_the_one_that_every_record_has() -> None:
    twice = learned(None, Example("1", {INTERCEPT: 1.0}, 6.0)).state
    assert mean_of(twice) == pytest.approx({INTERCEPT: 2.0 * 6.0 / 5.0})


def test_an_entity_over_its_cap_keeps_the_most_certain_features() -> None:
    settings = LearnerSettings(kind="linear", max_features=2)
    result = learned(None, Example("1", {A: 1.0, B: 3.0, C: 2.0}, 1.0), settings=settings)
    assert result.state.names == (INTERCEPT, B, C)
    assert result.dropped_features == 1


def test_equally_certain_features_are_kept_in_order_of_name() -> None:
    settings = LearnerSettings(kind="linear", max_features=1)
    result = learned(None, Example("1", {C: 1.0, B: 1.0, A: 1.0}, 1.0), settings=settings)
    assert result.state.names == (INTERCEPT, A)
    assert result.dropped_features == 2


def test_a_full_posterior_integrates_dropped_features_out() -> None:
    capped = LearnerSettings(kind="linear", posterior="full", max_features=2)
    whole = LearnerSettings(kind="linear", posterior="full")
    example = Example("1", {A: 1.0, B: 3.0, C: 2.0}, 1.0)
    kept = learned(None, example, settings=capped).state
    covariance = np.linalg.inv(learned(None, example, settings=whole).state.posterior.precision)
    expected = np.linalg.inv(covariance[np.ix_([0, 2, 3], [0, 2, 3])])
    np.testing.assert_allclose(kept.posterior.precision, expected)


@pytest.mark.parametrize("bad", [Example("2", {A: 1.0}, 1.0, weight=math.inf), Example("2", {A: math.nan}, 1.0)])
@pytest.mark.parametrize("kind", ["linear", "logistic"])
@pytest.mark.parametrize("form", ["diagonal", "full"])
def test_a_window_that_is_not_finite_is_passed_over(bad: Example, kind: Kind, form: str) -> None:
    settings = LearnerSettings(kind=kind, posterior="full" if form == "full" else "diagonal")
    before = learned(None, Example("1", {A: 1.0}, 1.0), settings=settings).state
    for window in ([bad], [bad, Example("3", {B: 1.0}, 1.0)], [bad] * 9):
        result = learned(before, *window, close_ms=2_000, settings=settings)
        assert result.outcome == "non_finite"
        np.testing.assert_array_equal(result.state.posterior.mean, before.posterior.mean)
        assert (result.state.names, result.state.count) == (before.names, 1)
        assert result.state.fence_ms == 2_000


def test_scores_that_are_not_finite_are_left_out() -> None:
    bad, good = Example("1", {A: math.nan}, 1.0), Example("2", {A: 1.0}, 1.0)
    assert [score.decision_id for score in learned(None, bad, good).scores] == ["2"]


def test_features_of_a_million_are_learned() -> None:
    example = Example("1", {A: 1e6, B: -1e6}, 1.0)
    result = learned(None, example, settings=LearnerSettings(prior_precision=0.01))
    assert result.outcome == "learned"
    assert learned(result.state, example, close_ms=2_000).scores[0].score > 10.0


def test_coefficients_that_no_example_touches_stay_as_they_are() -> None:
    many = {("item.id", f"{i:03d}"): 1.0 + i / 100 for i in range(128)}
    before = learned(None, Example("1", many, 1.0)).state
    after = learned(before, Example("2", {("item.id", "007"): 1.0}, 5.0), close_ms=2_000).state
    changed = after.posterior.mean != before.posterior.mean
    assert [name for name, moved in zip(after.names, changed, strict=True) if moved] == [
        INTERCEPT,
        ("item.id", "007"),
    ]


def test_the_count_adds_up_over_windows() -> None:
    state = learned(None, Example("1", {}, 1.0), Example("2", {}, 1.0)).state
    assert learned(state, Example("3", {}, 1.0), close_ms=2_000).state.count == 3


def test_the_base_version_stays_with_the_state() -> None:
    state = EntityState("g1", 0, Names([INTERCEPT]), LINEAR.prior.posterior(1), 0, base_version="b7")
    assert learned(state, Example("1", {}, 1.0), base_version="b7").state.base_version == "b7"


@pytest.mark.parametrize("form", ["diagonal", "full"])
def test_over_another_base_an_entity_is_learned_from_what_is_carried_over(form: str) -> None:
    settings = LearnerSettings(kind="linear", posterior="full" if form == "full" else "diagonal", forgetting=0.9)
    before = learned(None, Example("1", {A: 1.0}, 2.0), settings=settings, base_version="b1").state
    carried = state_under_base(before, settings.prior, active="b2")
    example = Example("2", {A: 1.0, B: 1.0}, 1.0, offset=0.5)
    found = learned(before, example, close_ms=2_000, settings=settings, base_version="b2")
    expected = learned(carried, example, close_ms=2_000, settings=settings, base_version="b2")
    assert to_bytes(found.state) == to_bytes(expected.state)
    assert found.scores == expected.scores == ((("2", 1.0, 0.5, found.scores[0].score)),)
    assert (found.state.base_version, found.state.count) == ("b2", 2)


def test_the_first_base_begins_an_entity_anew_and_the_fence_stays() -> None:
    alone = learned(None, Example("1", {A: 1.0}, 9.0), close_ms=2_000).state
    found = learned(alone, Example("2", {A: 1.0}, 1.0, offset=0.5), close_ms=3_000, base_version="b1")
    fresh = learned(None, Example("2", {A: 1.0}, 1.0, offset=0.5), close_ms=3_000, base_version="b1")
    assert to_bytes(found.state) == to_bytes(fresh.state)
    assert learned(alone, Example("2", {}, 1.0), close_ms=2_000, base_version="b1").outcome == "fenced"


def test_the_step_is_how_far_the_published_mean_has_moved() -> None:
    first = learned(None, Example("1", {A: 1.0}, 1.0))
    assert first.step == pytest.approx(math.hypot(*mean_of(first.state).values()))
    second = learned(first.state, Example("2", {B: 1.0}, 2.0), close_ms=2_000)
    known = mean_of(first.state)
    assert second.step == pytest.approx(
        math.hypot(*(value - known.get(name, 0.0) for name, value in mean_of(second.state).items()))
    )
