from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn.losses import LOSSES, Kind, logistic, scalar_log1p_exp, scalar_sigmoid

MARGINS = st.floats(-30.0, 30.0)
KINDS: list[Kind] = ["logistic", "linear"]


@pytest.mark.parametrize("kind", KINDS)
@given(margin=MARGINS, label=st.sampled_from([-1.0, 1.0]))
def test_derivatives_are_the_slopes_of_the_loss(kind: Kind, margin: float, label: float) -> None:
    h = 1e-5
    loss = LOSSES[kind](margin + np.array([-h, 0.0, h]), np.full(3, label))
    slope = (loss.value[2] - loss.value[0]) / (2 * h)
    bend = (loss.gradient[2] - loss.gradient[0]) / (2 * h)
    assert slope == pytest.approx(loss.gradient[1], rel=1e-5, abs=1e-7)
    assert bend == pytest.approx(loss.curvature[1], rel=1e-5, abs=1e-7)


def test_the_logistic_loss_is_finite_and_exact_far_from_zero() -> None:
    loss = logistic(np.array([-1e4, 1e4, -40.0]), np.array([1.0, 1.0, -1.0]))
    np.testing.assert_allclose(loss.value, [1e4, 0.0, math.exp(-40.0)], rtol=1e-14)
    np.testing.assert_allclose(loss.gradient, [-1.0, 0.0, math.exp(-40.0)], rtol=1e-14)
    np.testing.assert_allclose(loss.curvature, [0.0, 0.0, math.exp(-40.0)], rtol=1e-14)


@given(margin=st.floats(-700.0, 700.0))
def test_plain_floats_and_arrays_agree(margin: float) -> None:
    loss = logistic(np.array([margin]), np.array([-1.0]))
    assert scalar_log1p_exp(margin) == pytest.approx(loss.value[0], rel=1e-14)
    assert scalar_sigmoid(margin) == pytest.approx(loss.gradient[0], rel=1e-14)
    assert scalar_sigmoid(margin) * scalar_sigmoid(-margin) == pytest.approx(loss.curvature[0], rel=1e-14)


def test_half_a_squared_residual_is_the_linear_loss() -> None:
    loss = LOSSES["linear"](np.array([3.0]), np.array([1.0]))
    assert (loss.value[0], loss.gradient[0], loss.curvature[0]) == (2.0, 2.0, 1.0)
