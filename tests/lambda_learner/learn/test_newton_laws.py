"""What must hold for every update, and SciPy's answer to the same question."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn import GaussianPosterior, NewtonResult, update
from lambda_learner.learn.losses import LOSSES, Kind
from lambda_learner.learn.posterior import FloatArray


class Case(NamedTuple):
    """An update's arguments."""

    features: FloatArray
    labels: FloatArray
    weights: FloatArray
    offsets: FloatArray
    prior: GaussianPosterior
    kind: Kind

    def result(self) -> NewtonResult:
        return update(*self[:5], kind=self.kind)

    def prior_matrix(self) -> FloatArray:
        return np.diag(self.prior.precision) if self.prior.is_diagonal else self.prior.precision

    def objective(self, theta: FloatArray) -> float:
        loss = LOSSES[self.kind](self.features @ theta + self.offsets, self.labels)
        shift = theta - self.prior.mean
        return float(self.weights @ loss.value + 0.5 * shift @ self.prior_matrix() @ shift)

    def gradient(self, theta: FloatArray) -> FloatArray:
        loss = LOSSES[self.kind](self.features @ theta + self.offsets, self.labels)
        data: FloatArray = self.features.T @ (self.weights * loss.gradient)
        return data + self.prior_matrix() @ (theta - self.prior.mean)

    def hessian(self, theta: FloatArray) -> FloatArray:
        loss = LOSSES[self.kind](self.features @ theta + self.offsets, self.labels)
        data: FloatArray = self.features.T @ ((self.weights * loss.curvature)[:, None] * self.features)
        return data + self.prior_matrix()


def random_case(  # noqa: PLR0913
    seed: int, n: int, d: int, *, kind: Kind, full: bool, scale: float = 1.0
) -> Case:
    """A reproducible case with features of size `scale`."""
    rng = np.random.default_rng(seed)
    features = scale * rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.7)
    features[:, 0] = 1.0
    labels = rng.choice([-1.0, 1.0], size=n) if kind == "logistic" else rng.normal(size=n)
    precision = rng.uniform(0.2, 5.0, size=d)
    if full:
        root = rng.normal(size=(d, d))
        precision = np.diag(precision) + root @ root.T
    prior = GaussianPosterior(rng.normal(size=d), precision)
    return Case(features, labels, rng.choice([0.0, 0.5, 1.0, 3.0], size=n), rng.normal(size=n), prior, kind)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Cases that cover one, few and many records, both spaces, both forms and both kinds."""
    return random_case(
        draw(st.integers(0, 10**6)),
        draw(st.integers(1, 14)),
        draw(st.integers(1, 10)),
        kind=draw(st.sampled_from(["logistic", "linear"])),
        full=draw(st.booleans()),
        scale=draw(st.sampled_from([1e-3, 1.0, 30.0])),
    )


def distance(case: Case, theta: FloatArray) -> float:
    """How far theta is from the optimum, in posterior standard deviations (the Newton decrement)."""
    gradient = case.gradient(theta)
    return float(np.sqrt(gradient @ np.linalg.solve(case.hessian(theta), gradient)))


@given(case=cases())
def test_the_gradient_vanishes_at_the_new_mean(case: Case) -> None:
    result = case.result()
    assert result.converged
    assert distance(case, result.posterior.mean) < 1e-7
    assert result.loss == pytest.approx(case.objective(result.posterior.mean), rel=1e-9, abs=1e-12)


@given(case=cases())
def test_the_new_precision_is_the_curvature_at_the_new_mean(case: Case) -> None:
    posterior = case.result().posterior
    expected = case.hessian(posterior.mean)
    if posterior.is_diagonal:
        expected = np.diag(expected)
    np.testing.assert_allclose(posterior.precision, expected, rtol=1e-7, atol=1e-9)


@given(case=cases())
def test_precision_never_falls(case: Case) -> None:
    gained = case.result().posterior.precision - case.prior.precision
    if case.prior.is_diagonal:
        assert (gained >= 0.0).all()
    else:
        np.testing.assert_array_equal(gained, gained.T)
        assert np.linalg.eigvalsh(gained).min() >= -1e-12 * (1.0 + np.abs(gained).max())


@given(case=cases())
def test_a_record_of_weight_two_counts_like_the_record_twice(case: Case) -> None:
    twice = case._replace(
        features=np.vstack([case.features, case.features]),
        labels=np.tile(case.labels, 2),
        weights=np.tile(case.weights, 2),
        offsets=np.tile(case.offsets, 2),
    ).result()
    double = case._replace(weights=2.0 * case.weights).result()
    np.testing.assert_allclose(double.posterior.mean, twice.posterior.mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(double.posterior.precision, twice.posterior.precision, rtol=1e-6, atol=1e-7)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 8), d=st.integers(1, 8))
def test_a_linear_batch_is_its_records_one_at_a_time(seed: int, n: int, d: int) -> None:
    case = random_case(seed, n, d, kind="linear", full=True)
    one_by_one = case
    for i in range(n):
        x, y, w, o = (part[i : i + 1] for part in case[:4])
        one_by_one = one_by_one._replace(prior=update(x, y, w, o, one_by_one.prior, kind="linear").posterior)
    batch = case.result().posterior
    np.testing.assert_allclose(batch.mean, one_by_one.prior.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(batch.precision, one_by_one.prior.precision, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@pytest.mark.parametrize("n", [1, 2, 5, 12, 40])
@pytest.mark.parametrize("seed", range(5))
def test_features_of_a_million_find_their_optimum(n: int, seed: int, *, full: bool) -> None:
    case = random_case(seed, n, 8, kind="logistic", full=full, scale=1e6)
    result = case.result()
    assert np.isfinite(result.posterior.mean).all()
    assert np.isfinite(result.posterior.precision).all()
    assert distance(case, result.posterior.mean) < 1e-3


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@pytest.mark.parametrize(("n", "d"), [(1, 6), (2, 1), (4, 6), (9, 20), (30, 6)])
@pytest.mark.parametrize("kind", ["logistic", "linear"])
def test_scipy_finds_no_better_mean(kind: Kind, n: int, d: int, *, full: bool) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    case = random_case(n * 100 + d, n, d, kind=kind, full=full)
    found = optimize.minimize(
        case.objective, case.prior.mean, jac=case.gradient, hess=case.hessian, method="trust-exact",
        options={"gtol": 1e-10},
    )  # fmt: skip
    result = case.result()
    np.testing.assert_allclose(result.posterior.mean, found.x, atol=1e-7)
    assert result.loss <= found.fun + 1e-10
