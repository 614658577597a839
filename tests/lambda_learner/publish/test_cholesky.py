from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.publish import cholesky
from lambda_learner.publish.coefficients import FloatArray


def _precision(seed: int, size: int, spread: float) -> FloatArray:
    rng = np.random.default_rng(seed)
    scale = np.diag(np.exp(rng.uniform(-spread, spread, size)))
    root = rng.normal(size=(size, size + 2))
    precision: FloatArray = scale @ (root @ root.T + np.eye(size)) @ scale
    return precision


@given(seed=st.integers(0, 2**32), size=st.integers(1, 30), spread=st.floats(0, 8))
def test_a_packed_factor_restores_the_precision_to_1e_12(seed: int, size: int, spread: float) -> None:
    precision = _precision(seed, size, spread)
    restored = cholesky.unpack(cholesky.pack(precision).factor, size)
    scale = np.sqrt(np.outer(np.diag(precision), np.diag(precision)))
    assert np.all(np.abs(restored - precision) <= 1e-12 * scale)
    assert np.array_equal(restored, restored.T)


def test_the_variances_are_the_marginal_ones() -> None:
    precision = np.array([[2.0, 1.0], [1.0, 3.0]])
    assert cholesky.pack(precision).variance == pytest.approx([3 / 5, 2 / 5], rel=1e-15)


def test_a_factor_is_the_rows_of_the_lower_triangle() -> None:
    precision = np.array([[4.0, 2.0], [2.0, 10.0]])  # = [[2, 0], [1, 3]] times its transpose
    assert cholesky.pack(precision).factor.tolist() == [2.0, 1.0, 3.0]


def test_a_precision_that_rounding_made_singular_is_raised_by_a_trifle() -> None:
    ones = np.array([[1e16, 1e16], [1e16, 1e16]])
    restored = cholesky.unpack(cholesky.pack(ones).factor, 2)
    assert restored == pytest.approx(ones, rel=1e-10)


@pytest.mark.parametrize("bad", [[[1.0, 2.0], [2.0, 1.0]], [[np.nan, 0.0], [0.0, 1.0]]])
def test_what_is_no_precision_is_refused(bad: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="finite and positive definite"):
        cholesky.pack(np.array(bad))


def test_a_factor_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a factor of 2 features has 3 numbers, got 2"):
        cholesky.unpack(np.ones(2), 2)
