"""The memory of one value per method and instance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lambda_learner import with_previous_theta_transform_memoized


class Counting:
    """Counts how often each of its methods is computed."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @with_previous_theta_transform_memoized
    def doubled(self, theta: Any) -> Any:
        self.calls.append("doubled")
        return 2.0 * theta

    @with_previous_theta_transform_memoized
    def squared(self, theta: Any) -> Any:
        self.calls.append("squared")
        return theta * theta


ONE, TWO = np.array([1.0]), np.array([2.0])


def test_the_same_theta_twice_is_computed_once() -> None:
    counting = Counting()
    assert counting.doubled(ONE) == counting.doubled(ONE.copy()) == 2.0
    assert counting.calls == ["doubled"]


def test_only_the_theta_just_before_is_remembered() -> None:
    counting = Counting()
    assert [float(counting.doubled(theta)[0]) for theta in (ONE, TWO, ONE)] == [2.0, 4.0, 2.0]
    assert counting.calls == ["doubled"] * 3


def test_a_theta_changed_in_place_is_another_one() -> None:
    counting, theta = Counting(), ONE.copy()
    counting.doubled(theta)
    theta[0] = 5.0
    assert counting.doubled(theta) == 10.0


def test_methods_and_instances_remember_apart() -> None:
    counting, other = Counting(), Counting()
    assert (counting.doubled(TWO), counting.squared(TWO), other.doubled(TWO)) == (4.0, 4.0, 4.0)
    assert (counting.calls, other.calls) == (["doubled", "squared"], ["doubled"])


def test_an_error_is_not_remembered() -> None:
    class Failing:
        @with_previous_theta_transform_memoized
        def half(self, theta: Any) -> Any:
            raise ArithmeticError

    failing = Failing()
    for _ in range(2):
        with pytest.raises(ArithmeticError):
            failing.half(ONE)
