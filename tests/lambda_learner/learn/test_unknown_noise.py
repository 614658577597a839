"""An entity whose noise variance is learned along with its coefficients, window by window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn import (
    INTERCEPT,
    EntityState,
    Example,
    GaussianPosterior,
    LearnerSettings,
    LearnResult,
    from_bytes,
    learn,
    to_bytes,
)
from lambda_learner.learn.noise import NoisePrior, noise_variance, update_with_noise
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.learn.state import Noise

Form = Literal["diagonal", "full"]
FORMS: tuple[Form, ...] = ("diagonal", "full")
KEYS = [("item.genre", letter) for letter in "abcd"] + [("item.year", "")]
A, B = KEYS[:2]


def estimating(form: Form = "full", **changes: Any) -> LearnerSettings:
    given = LearnerSettings(kind="linear", posterior=form, prior_precision=0.5, prior_mean=0.2, intercept_mean=-1.0)
    return replace(given, noise_variance="estimate", **changes)


def drawn(n: int, *, seed: int, sigma: float = 0.5) -> list[Example]:
    """Examples of a linear world that each have some of the features, weights and offsets."""
    rng = np.random.default_rng(seed)
    truth = dict(zip([INTERCEPT, *KEYS], rng.normal(size=6).tolist(), strict=True))
    made = []
    for number in range(n):
        chosen = [KEYS[i] for i in rng.choice(5, size=rng.integers(0, 5), replace=False)]
        features = {key: float(rng.normal()) for key in chosen}
        weight, offset = float(rng.uniform(0.3, 3.0)), float(rng.normal())
        expected = offset + truth[INTERCEPT] + sum(truth[key] * value for key, value in features.items())
        label = expected + sigma / math.sqrt(weight) * float(rng.normal())
        made.append(Example(f"{number:04d}", features, label, weight, offset))
    return made


def cut(examples: Sequence[Example], places: Sequence[int]) -> list[Sequence[Example]]:
    edges = [0, *sorted(places), len(examples)]
    return [examples[low:high] for low, high in pairwise(edges) if low < high]


def step(state: EntityState | None, window: Sequence[Example], number: int, given: LearnerSettings) -> LearnResult:
    return learn(state, window, close_ms=1_000 * (number + 1), generation="g", settings=given)


def learned(windows: Sequence[Sequence[Example]], given: LearnerSettings, *, restart: bool = False) -> EntityState:
    state: EntityState | None = None
    for number, window in enumerate(windows):
        result = step(state, window, number, given)
        assert result.outcome == "learned"
        state = from_bytes(to_bytes(result.state)) if restart else result.state
    assert state is not None
    return state


def matrix(state: EntityState, window: Sequence[Example]) -> FloatArray:
    rows = [{INTERCEPT: 1.0, **example.features} for example in window]
    return np.array([[row.get(name, 0.0) for name in state.names] for row in rows])


CUTS = st.lists(st.integers(0, 24), max_size=10)
SEEDS = st.integers(0, 10_000)


@given(cuts=CUTS, seed=SEEDS, form=st.sampled_from(FORMS), delta=st.sampled_from([1.0, 0.9, 0.3]))
def test_one_window_at_a_time_is_the_pure_update_bit_for_bit(
    cuts: list[int], seed: int, form: Form, delta: float
) -> None:
    # The first example has every feature, so that no window brings a new one.
    examples = drawn(24, seed=seed)
    examples[0] = examples[0]._replace(features=dict.fromkeys(KEYS, 1.0))
    given_ = estimating(form, forgetting=delta)
    prior = given_.prior.posterior(1 + len(KEYS))
    pure = prior if form == "diagonal" else GaussianPosterior(prior.mean, np.diag(prior.precision))
    noise, state, kept = Noise(), None, 1.0
    for number, window in enumerate(cut(examples, cuts)):
        state = step(state, window, number, given_).state
        y, w, o = np.array([(e.label, e.weight, e.offset) for e in window]).T.copy()
        x = matrix(state, window)
        pure, noise = update_with_noise(
            x, y, w, o, pure, noise=noise, prior=prior, noise_prior=NoisePrior(), delta=kept
        )
        kept = delta
        assert state.noise == noise
        assert state.posterior.mean.tobytes() == pure.mean.tobytes()
        assert state.posterior.precision.tobytes() == pure.precision.tobytes()


@given(cuts=CUTS, seed=SEEDS)
def test_any_split_into_windows_gives_the_same_full_posterior_and_noise(cuts: list[int], seed: int) -> None:
    examples = drawn(24, seed=seed)
    whole, parts = (learned(windows, estimating()) for windows in ([examples], cut(examples, cuts)))
    assert parts.names == whole.names
    np.testing.assert_allclose(parts.posterior.mean, whole.posterior.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(parts.posterior.precision, whole.posterior.precision, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(parts.noise, whole.noise, rtol=1e-9, atol=1e-9)


@given(cuts=CUTS, seed=SEEDS, form=st.sampled_from(FORMS), delta=st.sampled_from([1.0, 0.8]))
def test_restored_is_never_stopped_bit_for_bit(cuts: list[int], seed: int, form: Form, delta: float) -> None:
    windows, given_ = cut(drawn(24, seed=seed), cuts), estimating(form, forgetting=delta, max_features=3)
    assert to_bytes(learned(windows, given_, restart=True)) == to_bytes(learned(windows, given_))


@given(seed=SEEDS, form=st.sampled_from(FORMS))
def test_the_posterior_of_a_window_is_the_one_at_the_estimate(seed: int, form: Form) -> None:
    examples = drawn(12, seed=seed)
    state = learned([examples], estimating(form))
    variance = noise_variance(state.noise, NoisePrior())
    known = learned([examples], replace(estimating(form), noise_variance=variance))
    np.testing.assert_allclose(state.posterior.mean, known.posterior.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(state.posterior.precision, known.posterior.precision, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sigma", [0.1, 3.0])
def test_many_windows_find_the_noise_that_made_the_labels(form: Form, sigma: float) -> None:
    state = learned(cut(drawn(600, seed=5, sigma=sigma), range(10, 600, 10)), estimating(form))
    assert math.sqrt(noise_variance(state.noise, NoisePrior())) == pytest.approx(sigma, rel=0.2)


def test_a_new_feature_begins_at_its_prior_and_has_spent_nothing() -> None:
    before = learned([drawn(12, seed=1)], estimating())
    window = [Example("x", {}, 1.0), Example("y", {("new", ""): 1e-9}, 1.0)]
    after = step(before, window, 1, estimating())
    j = after.state.names.index(("new", ""))
    assert after.state.posterior.mean[j] == pytest.approx(0.2)
    assert after.state.posterior.precision[j, j] == pytest.approx(0.5)
    assert after.state.noise.degrees - before.noise.degrees == pytest.approx(2.0, abs=0.5)


def test_examples_are_scored_by_the_published_mean_before_they_are_learned() -> None:
    first = step(None, [Example("1", {A: 2.0}, 6.0, offset=1.0)], 0, estimating(forgetting=0.5))
    assert first.scores[0][:3] == ("1", 6.0, 1.0)
    assert first.scores[0].score == pytest.approx(1.0 - 1.0 + 2.0 * 0.2)
    mean = dict(zip(first.state.names, first.state.posterior.mean.tolist(), strict=True))
    second = step(first.state, [Example("2", {A: 1.0, B: 3.0}, 0.0)], 1, estimating(forgetting=0.5))
    assert second.scores[0].score == pytest.approx(mean[INTERCEPT] + mean[A] + 3.0 * 0.2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "bad",
    [
        Example("2", {A: 1.0}, 1.0, weight=math.inf),
        Example("2", {A: math.nan}, 1.0),
        Example("2", {A: 1.0}, 1e300),
        Example("2", {A: 1.0}, 1e140),
        Example("2", {A: 1.0}, math.inf),
    ],
    ids=str,
)
def test_a_window_that_is_not_finite_only_forgets(bad: Example, form: Form) -> None:
    for delta in (1.0, 0.5):
        given_ = estimating(form, forgetting=delta)
        before = learned([drawn(12, seed=1)], given_)
        result = step(before, [bad, Example("3", {("new", ""): 1.0}, 1.0)], 1, given_)
        prior = given_.prior.posterior(len(before.names))
        none = np.zeros(0)
        expected, noise = update_with_noise(
            np.zeros((0, len(before.names))), none, none, none, before.posterior,
            noise=before.noise, prior=prior, noise_prior=NoisePrior(), delta=delta,
        )  # fmt: skip
        assert (result.outcome, result.state.names, result.state.count) == ("non_finite", before.names, 12)
        assert result.state.noise == noise
        np.testing.assert_array_equal(result.state.posterior.mean, expected.mean)
        np.testing.assert_array_equal(result.state.posterior.precision, expected.precision)
        assert (noise.degrees < before.noise.degrees) == (delta < 1.0)


def test_a_state_too_large_even_to_forget_stays_as_it_is() -> None:
    given_ = estimating(forgetting=0.5)
    before = learned([[Example("1", {A: 1.0}, 1.0)]], given_)
    huge = replace(before, posterior=GaussianPosterior(np.full(2, 1.7e308), before.posterior.precision))
    result = step(huge, [Example("2", {A: 1.0}, 1.0)], 1, given_)
    assert (result.outcome, result.state.noise, result.state.fence_ms) == ("non_finite", huge.noise, 2_000)
    np.testing.assert_array_equal(result.state.posterior.mean, huge.posterior.mean)
    np.testing.assert_array_equal(result.state.posterior.precision, huge.posterior.precision)


@pytest.mark.parametrize("form", FORMS)
def test_under_a_prior_that_was_raised_no_precision_becomes_negative(form: Form) -> None:
    # A job starts a new generation then; a program that does not must not publish nonsense.
    state = learned([drawn(6, seed=1, sigma=3.0)], estimating(form))
    raised = estimating(form, prior_precision=100.0)
    for number in range(1, 9):
        state = step(state, drawn(6, seed=number, sigma=0.01), number, raised).state
        precision = state.posterior.precision
        assert (np.linalg.eigvalsh(precision if form == "full" else np.diag(precision)) > 0.0).all()


@given(seed=SEEDS, form=st.sampled_from(FORMS), data=st.data())
def test_whatever_the_numbers_are_the_state_stays_finite(seed: int, form: Form, data: st.DataObject) -> None:
    given_ = estimating(form, forgetting=0.9)
    state = learned([drawn(6, seed=seed)], given_)
    anything, weights = st.floats(), st.floats(min_value=0.0)
    for number in range(1, 4):
        wild = Example("w", {A: data.draw(anything)}, data.draw(anything), data.draw(weights), data.draw(anything))
        state = step(state, [*drawn(2, seed=seed + number), wild], number, given_).state
        assert np.isfinite(state.posterior.mean).all()
        assert np.isfinite(state.posterior.precision).all()
        assert 0.0 < noise_variance(state.noise, NoisePrior()) < math.inf


def test_a_logistic_learner_has_no_noise_to_estimate() -> None:
    window = drawn(9, seed=1)
    plain = LearnerSettings()
    state = learned([window], replace(plain, noise_variance="estimate"))
    assert to_bytes(state) == to_bytes(learned([window], plain))


def test_with_a_given_noise_variance_nothing_is_kept_of_the_noise() -> None:
    before = learned([drawn(9, seed=1)], estimating())
    assert before.noise != Noise()
    given_ = replace(estimating(), noise_variance=2.0)
    assert learned([drawn(9, seed=1)], given_).noise == Noise()
    assert step(before, drawn(3, seed=2), 1, given_).state.noise == Noise()
