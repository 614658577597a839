"""The posterior carried over a change of base: laws, and learner and reader alike."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from lambda_learner.learn import INTERCEPT, EntityState, Example, LearnerSettings, learn
from lambda_learner.learn.base_change import NO_BASE, posterior_under_base, state_under_base
from lambda_learner.learn.posterior import GaussianPosterior
from lambda_learner.learn.state import CoefficientPrior
from lambda_learner.learn.state_format import from_bytes, to_bytes
from lambda_learner.publish.coefficients import EntityCoefficients

Form = Literal["diagonal", "full"]
FORMS: list[Form] = ["diagonal", "full"]
PRIOR = CoefficientPrior(mean=0.3, precision=2.0, intercept_mean=-1.0, intercept_precision=5.0)


def taught(form: Form, *, base_version: str = "b1", examples: int = 30) -> EntityState:
    """A state that has learned, under the prior of these tests."""
    settings = LearnerSettings(
        kind="linear",
        prior_mean=PRIOR.mean,
        prior_precision=PRIOR.precision,
        intercept_mean=PRIOR.intercept_mean,
        intercept_precision=PRIOR.intercept_precision,
        posterior=form,
    )
    rng = np.random.default_rng(3)
    window = [
        Example(str(i), {("item.genre", "abc"[i % 3]): 1.0, ("item.price", ""): rng.normal()}, rng.normal())
        for i in range(examples)
    ]
    state = learn(None, window, close_ms=1000, generation="g", settings=settings).state
    return EntityState(
        state.generation, state.fence_ms, state.names, state.posterior, state.count, base_version, state.noise
    )


def carried(state: EntityState, active: str = "b2") -> EntityState:
    found = state_under_base(state, PRIOR, active=active)
    assert found is not None
    return found


def precision_of(state: EntityState) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    precision = state.posterior.precision
    return np.diag(precision) if precision.ndim == 1 else precision


def test_the_precision_is_the_mean_of_the_posterior_s_and_the_prior_s_by_hand() -> None:
    posterior = GaussianPosterior(np.array([1.0, 2.0]), np.array([9.0, 6.0]))
    found = posterior_under_base(posterior, [INTERCEPT, ("a", "")], PRIOR, learned_with="b1", active="b2")
    assert found is not None
    np.testing.assert_array_equal(found.precision, [7.0, 4.0])
    np.testing.assert_array_equal(found.mean, [1.0, 2.0])


@pytest.mark.parametrize("form", FORMS)
def test_the_mean_stays_and_the_evidence_is_halved_at_each_change(form: Form) -> None:
    state = taught(form)
    prior = np.diag(PRIOR.posterior(len(state.names)).precision)
    evidence = precision_of(state) - prior
    for change in range(1, 5):
        state = carried(state, f"b{change + 1}")
        np.testing.assert_allclose(precision_of(state) - prior, 0.5**change * evidence, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(state.posterior.mean, taught(form).posterior.mean)


@pytest.mark.parametrize("form", FORMS)
def test_every_coefficient_is_less_certain_afterwards_and_never_less_than_at_first(form: Form) -> None:
    before, after = taught(form), carried(taught(form))
    prior = PRIOR.posterior(len(before.names)).marginal_variance()
    assert (after.posterior.marginal_variance() > before.posterior.marginal_variance()).all()
    assert (after.posterior.marginal_variance() <= prior + 1e-12).all()


@pytest.mark.parametrize("form", FORMS)
def test_the_same_base_changes_not_a_bit(form: Form) -> None:
    state = taught(form)
    assert state_under_base(state, PRIOR, active="b1") is state
    assert to_bytes(carried(carried(state))) == to_bytes(carried(state))


@pytest.mark.parametrize("versions", [(NO_BASE, "b1"), ("b1", NO_BASE)])
def test_from_no_base_or_to_none_nothing_is_carried_over(versions: tuple[str, str]) -> None:
    learned_with, active = versions
    assert state_under_base(taught("diagonal", base_version=learned_with), PRIOR, active=active) is None


def test_without_any_base_nothing_changes() -> None:
    state = taught("full", base_version=NO_BASE)
    assert state_under_base(state, PRIOR, active=NO_BASE) is state
    assert state_under_base(None, PRIOR, active="b1") is None


def test_an_entity_that_slept_through_a_base_changes_once() -> None:
    awake, asleep = carried(taught("full"), "b2"), carried(taught("full"), "b3")
    np.testing.assert_array_equal(asleep.posterior.precision, awake.posterior.precision)
    assert (awake.base_version, asleep.base_version) == ("b2", "b3")


@pytest.mark.parametrize("form", FORMS)
def test_all_else_of_the_state_stays_and_it_survives_its_bytes(form: Form) -> None:
    before, after = taught(form), carried(taught(form))
    assert (after.generation, after.fence_ms, after.names, after.count, after.noise) == (
        before.generation,
        before.fence_ms,
        before.names,
        before.count,
        before.noise,
    )
    assert to_bytes(from_bytes(to_bytes(after))) == to_bytes(after)


@pytest.mark.parametrize("form", FORMS)
def test_a_reader_of_the_published_posterior_gets_what_the_learner_goes_on_from(form: Form) -> None:
    """Published coefficients are in another order than the learner's, the intercept among them."""
    state = taught(form)
    order = np.argsort([str(name) for name in state.names])[::-1]
    full = form == "full"
    precision = state.posterior.precision[np.ix_(order, order)] if full else state.posterior.precision[order]
    published = EntityCoefficients(
        "e", 1000, 30, tuple(state.names[i] for i in order), state.posterior.mean[order], precision, "b1"
    )
    read = posterior_under_base(
        GaussianPosterior(published.mean, published.precision),
        published.names,
        PRIOR,
        learned_with=published.base_version,
        active="b2",
    )
    learner = carried(state).posterior
    assert read is not None
    np.testing.assert_array_equal(read.mean, learner.mean[order])
    np.testing.assert_array_equal(
        read.precision, learner.precision[np.ix_(order, order)] if full else learner.precision[order]
    )


def test_the_arrays_that_were_given_are_not_written_to() -> None:
    state = taught("full")
    before = state.posterior.precision.copy()
    carried(state)
    np.testing.assert_array_equal(state.posterior.precision, before)
