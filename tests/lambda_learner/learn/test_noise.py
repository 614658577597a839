from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multivariate_normal, t

from lambda_learner.learn import GaussianPosterior, update
from lambda_learner.learn.noise import (
    Noise,
    NoisePrior,
    intervals,
    marginal_degrees,
    noise_update,
    noise_variance,
    update_with_noise,
)
from lambda_learner.learn.posterior import FloatArray

D = 4
PRIOR = GaussianPosterior(np.array([0.5, 0.0, -0.2, 0.0]), np.array([0.5, 1.0, 2.0, 1.0]))
FULL = GaussianPosterior(PRIOR.mean, np.diag(PRIOR.precision))
NOISE_PRIOR = NoisePrior(variance=2.0, records=3.0)
State = tuple[GaussianPosterior, Noise]


class Records(NamedTuple):
    """Features, labels, weights, offsets."""

    features: FloatArray
    labels: FloatArray
    weights: FloatArray
    offsets: FloatArray

    def rows(self, low: int, high: int | None = None) -> Records:
        return Records(*(part[low:high] for part in self))


def drawn(n: int, *, variance: float = 0.3, seed: int = 1) -> Records:
    rng = np.random.default_rng(seed)
    features = np.column_stack([np.ones(n), rng.normal(size=(n, D - 1))])
    features[:, 2] += features[:, 1]
    weights, offsets = rng.uniform(0.3, 3.0, n), rng.normal(size=n)
    noise = rng.normal(size=n) * np.sqrt(variance / weights)
    return Records(features, features @ np.array([1.0, -2.0, 0.5, 0.0]) + offsets + noise, weights, offsets)


def learned(records: Records, start: State | None = None, *, delta: float = 1.0, full: bool = True) -> State:
    posterior, noise = start or ((FULL if full else PRIOR), Noise())
    return update_with_noise(*records, posterior, noise=noise, prior=PRIOR, noise_prior=NOISE_PRIOR, delta=delta)


def assert_same(one: State, other: State, rtol: float = 1e-7) -> None:
    np.testing.assert_allclose(one[0].mean, other[0].mean, rtol=rtol, atol=1e-9)
    np.testing.assert_allclose(one[0].precision, other[0].precision, rtol=rtol, atol=1e-9)
    np.testing.assert_allclose(one[1], other[1], rtol=rtol, atol=1e-9)


def test_the_estimate_is_the_mode_of_the_marginal_posterior_of_its_logarithm() -> None:
    records = drawn(12)
    x, y, w, o = records

    def against(log_variance: float) -> float:
        variance = np.exp(log_variance)
        covariance = x @ np.diag(1.0 / PRIOR.precision) @ x.T + np.diag(variance / w)
        likelihood = multivariate_normal(x @ PRIOR.mean + o, covariance).logpdf(y)
        shape, rate = NOISE_PRIOR.records / 2, NOISE_PRIOR.records * NOISE_PRIOR.variance / 2
        return -float(likelihood - shape * log_variance - rate / variance)

    expected = np.exp(minimize_scalar(against, bounds=(-6.0, 4.0), method="bounded", options={"xatol": 1e-9}).x)
    assert noise_variance(learned(records)[1], NOISE_PRIOR) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_the_posterior_of_one_batch_is_that_of_the_estimated_noise_variance(full: bool) -> None:  # noqa: FBT001
    records = drawn(15)
    posterior, noise = learned(records, full=full)
    variance = noise_variance(noise, NOISE_PRIOR)
    expected = update(*records, FULL if full else PRIOR, kind="linear", noise_variance=variance).posterior
    np.testing.assert_allclose(posterior.mean, expected.mean, rtol=1e-9)
    np.testing.assert_allclose(posterior.precision, expected.precision, rtol=1e-9)


def test_the_squares_are_those_of_the_residuals_and_the_degrees_what_the_coefficients_leave() -> None:
    records = drawn(15)
    posterior, noise = learned(records)
    residual = records.labels - records.offsets - records.features @ posterior.mean
    assert noise.squares == pytest.approx(float(records.weights @ residual**2))
    spent = D - np.trace(np.diag(PRIOR.precision) @ np.linalg.inv(posterior.precision))
    assert noise.degrees == pytest.approx(15 - spent)


@given(cuts=st.lists(st.integers(0, 20), max_size=20), seed=st.integers(0, 50))
def test_any_split_into_batches_gives_the_same_full_posterior_and_noise(cuts: list[int], seed: int) -> None:
    records = drawn(20, seed=seed)
    state: State | None = None
    edges = [0, *sorted(cuts), 20]
    for low, high in zip(edges, edges[1:], strict=False):
        state = learned(records.rows(low, high), state)
    assert state is not None
    assert_same(state, learned(records), rtol=1e-5)


def test_a_thousand_records_tell_the_noise_variance_whatever_was_guessed() -> None:
    records = drawn(1_000, variance=0.04)
    for form in (FULL, PRIOR):
        state = form, Noise()
        for low in range(0, 1_000, 20):
            state = learned(records.rows(low, low + 20), state)
        assert noise_variance(state[1], NOISE_PRIOR) == pytest.approx(0.04, rel=0.25)


def test_a_flat_prior_gives_the_classical_t_intervals() -> None:
    records = drawn(12)
    flat, vague = GaussianPosterior(np.zeros(D), np.full(D, 1e-10)), NoisePrior(1.0, 1e-10)
    start = GaussianPosterior(flat.mean, np.diag(flat.precision))
    posterior, noise = update_with_noise(*records, start, noise=Noise(), prior=flat, noise_prior=vague)
    root = np.sqrt(records.weights)
    x, y = root[:, None] * records.features, root * (records.labels - records.offsets)
    expected, squares, *_ = np.linalg.lstsq(x, y)
    error = np.sqrt(squares[0] / (12 - D) * np.diagonal(np.linalg.inv(x.T @ x)))
    low, high = intervals(posterior, noise, prior=flat, noise_prior=vague, share=0.9)
    np.testing.assert_allclose(high, expected + t(12 - D).ppf(0.95) * error, rtol=1e-6)
    np.testing.assert_allclose(low, expected - t(12 - D).ppf(0.95) * error, rtol=1e-6)


def test_a_coefficient_that_no_record_touches_keeps_its_normal_prior() -> None:
    records = drawn(12)
    records.features[:, 3] = 0.0
    posterior, noise = learned(records)
    degrees = marginal_degrees(posterior, noise, prior=PRIOR, noise_prior=NOISE_PRIOR)
    assert degrees[3] > 1e9
    assert degrees[0] < 20
    high = intervals(posterior, noise, prior=PRIOR, noise_prior=NOISE_PRIOR)[1]
    assert high[3] == pytest.approx(1.6448536269514722)


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_scaling_the_label_scales_the_variance_by_its_square(full: bool) -> None:  # noqa: FBT001
    x, y, w, o = drawn(25)
    scaled_prior = GaussianPosterior(10.0 * PRIOR.mean, PRIOR.precision / 100.0)
    scaled_noise = NoisePrior(100.0 * NOISE_PRIOR.variance, NOISE_PRIOR.records)
    start = GaussianPosterior(scaled_prior.mean, np.diag(scaled_prior.precision)) if full else scaled_prior
    posterior, noise = update_with_noise(
        x, 10 * y, w, 10 * o, start, noise=Noise(), prior=scaled_prior, noise_prior=scaled_noise
    )
    expected, expected_noise = learned(Records(x, y, w, o), full=full)
    np.testing.assert_allclose(posterior.mean, 10.0 * expected.mean, rtol=1e-6)
    np.testing.assert_allclose(noise, (expected_noise.degrees, 100.0 * expected_noise.squares), rtol=1e-6)


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_a_weight_counts_as_a_record_of_weight_one_scaled_by_its_root(full: bool) -> None:  # noqa: FBT001
    records = drawn(12)
    root = np.sqrt(records.weights)
    scaled = Records(root[:, None] * records.features, root * records.labels, np.ones(12), root * records.offsets)
    assert_same(learned(scaled, full=full), learned(records, full=full))
    assert not np.allclose(learned(records._replace(weights=np.ones(12)), full=full)[0].mean, learned(records)[0].mean)


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_one_coefficient_by_hand(full: bool) -> None:  # noqa: FBT001
    # Λ = 1, a guess of σ² = 1 worth 1 record; x = 1, y = 1 and -1, w = 1: the mean stays 0, the squares sum to 2.
    # σ² = (1 + 2) / (1 + 2 - γ) with γ = 1 - 1 / (1 + 2/σ²) = 2 / (σ² + 2): 3σ⁴ + σ² - 6 = 0.
    prior = GaussianPosterior(np.zeros(1), np.ones(1))
    start = GaussianPosterior(prior.mean, np.ones((1, 1))) if full else prior
    posterior, noise = update_with_noise(
        np.ones((2, 1)), np.array([1.0, -1.0]), np.ones(2), np.zeros(2),
        start, noise=Noise(), prior=prior, noise_prior=NoisePrior(1.0, 1.0),
    )  # fmt: skip
    variance = (-1.0 + np.sqrt(73.0)) / 6.0
    assert noise_variance(noise, NoisePrior(1.0, 1.0)) == pytest.approx(variance)
    assert noise.squares == pytest.approx(2.0)
    assert posterior.mean[0] == pytest.approx(0.0)
    assert posterior.precision.item() == pytest.approx(1.0 + 2.0 / variance)


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_a_record_of_weight_zero_says_nothing(full: bool) -> None:  # noqa: FBT001
    records = drawn(10)
    records.weights[7:] = 0.0
    assert_same(learned(records, full=full), learned(records.rows(0, 7), full=full))


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_no_records_and_no_forgetting_change_nothing(full: bool) -> None:  # noqa: FBT001
    state = learned(drawn(10), full=full)
    assert_same(learned(drawn(0), state), state)


def test_no_records_and_no_forgetting_change_no_bit() -> None:
    posterior, noise = learned(drawn(10))
    again = learned(drawn(0), (posterior, noise))
    assert again[0] is posterior
    assert again[1] is noise


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
@pytest.mark.parametrize("label", [1e150, 1e200, np.inf, np.nan])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_float64_cannot_hold_are_an_error(label: float, full: bool) -> None:  # noqa: FBT001
    records = drawn(10)
    records.labels[3] = label
    with pytest.raises(np.linalg.LinAlgError, match="noise variance of 10 records cannot be found in float64"):
        learned(records, full=full)


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_forgetting_all_gives_the_prior_and_the_guess(full: bool) -> None:  # noqa: FBT001
    posterior, noise = learned(drawn(0), learned(drawn(10), full=full), delta=0.0)
    np.testing.assert_allclose(posterior.mean, PRIOR.mean)
    assert noise_variance(noise, NOISE_PRIOR) == pytest.approx(2.0)


@pytest.mark.parametrize("full", [True, False], ids=["full", "diagonal"])
def test_with_forgetting_the_estimate_follows_a_noise_that_changes(full: bool) -> None:  # noqa: FBT001
    state: State = (FULL if full else PRIOR), Noise()
    for variance in (0.1, 10.0):
        for seed in range(60):
            state = learned(drawn(20, variance=variance, seed=seed), state, delta=0.9)
            assert state[1].degrees >= 0.0
        assert noise_variance(state[1], NOISE_PRIOR) == pytest.approx(variance, rel=0.3)


def test_the_update_of_the_noise_by_hand() -> None:
    noise = noise_update(Noise(10.0, 4.0), records=3.0, spent=0.5, squares=1.5, delta=0.5)
    assert noise == Noise(7.5, 3.5)
    assert noise_variance(noise, NOISE_PRIOR) == pytest.approx((3 * 2 + 3.5) / (3 + 7.5))
