"""A memory of one value: what a method gave for the theta before."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar

import numpy as np

__all__ = ["KEY", "VALUE", "with_previous_theta_transform_memoized"]

S = TypeVar("S")
T = TypeVar("T")

KEY: Final = "theta"
VALUE: Final = "value"


def with_previous_theta_transform_memoized(transform: Callable[[S, Any], T]) -> Callable[[S, Any], T]:
    """The method `transform(self, theta)`, which answers the same theta twice in a row from memory.

    One entry a method and instance, by theta's bytes: a loss and its gradient at one point share what they
    have in common. Other data that the method reads is not watched.

    >>> class Margins:
    ...     @with_previous_theta_transform_memoized
    ...     def doubled(self, theta):
    ...         print("computed")
    ...         return 2 * theta
    >>> margins = Margins()
    >>> margins.doubled(np.array([1.0])), margins.doubled(np.array([1.0]))
    computed
    (array([2.]), array([2.]))
    """
    slot = f"_previous_{transform.__name__}"

    @wraps(transform)
    def memoized(self: S, theta: Any) -> T:
        key = np.asarray(theta).tobytes()
        previous: dict[str, Any] | None = self.__dict__.get(slot)
        if previous is None or previous[KEY] != key:
            previous = {KEY: key, VALUE: transform(self, theta)}
            self.__dict__[slot] = previous
        value: T = previous[VALUE]
        return value

    return memoized
