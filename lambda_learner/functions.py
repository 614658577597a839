"""Small helpers that Lambda Learner's users import by name (lambda_learner.md §7)."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable
from itertools import chain
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

__all__ = [
    "CONTAINER_CLASS_REPR_SEPARATOR",
    "PRIVATE_MEMBER_PREFIX",
    "count_nans",
    "current_time_in_ms",
    "dedupe_preserve_order",
    "flatten",
    "get_public_attrs",
    "represent_container_class",
    "sparse_diag_matrix",
]

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

CONTAINER_CLASS_REPR_SEPARATOR: Final = ", "
PRIVATE_MEMBER_PREFIX: Final = "_"


def flatten(parts: Iterable[Iterable[T]]) -> list[T]:
    """The elements of the parts in order, one level taken away.

    >>> flatten([[1, 2], [], [[3]]])
    [1, 2, [3]]
    """
    return list(chain.from_iterable(parts))


def count_nans(values: npt.ArrayLike) -> int:
    """How many of the numbers are nan.

    >>> count_nans([1.0, float("nan"), float("inf")])
    1
    """
    return int(np.isnan(np.asarray(values, dtype=np.float64)).sum())


def current_time_in_ms() -> int:
    """The clock's time in whole milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def dedupe_preserve_order(values: Iterable[H]) -> list[H]:
    """The distinct values in the order in which they first appear.

    >>> dedupe_preserve_order("lambda")
    ['l', 'a', 'm', 'b', 'd']
    """
    return list(dict.fromkeys(values))


def sparse_diag_matrix(diagonal: npt.ArrayLike) -> sparse.csc_matrix:
    """The (n, n) float64 CSC matrix with this diagonal of length n; zeros are stored.

    >>> sparse_diag_matrix([2, 3]).toarray()
    array([[2., 0.],
           [0., 3.]])
    """
    values = np.array(diagonal, dtype=np.float64)
    n = len(values)
    return sparse.csc_matrix((values, np.arange(n), np.arange(n + 1)), shape=(n, n))


def get_public_attrs(instance: object) -> list[str]:
    """The names of an object's attributes that are neither callable nor private, in alphabetical order."""
    public = (name for name in dir(instance) if not name.startswith(PRIVATE_MEMBER_PREFIX))
    return [name for name in public if not callable(getattr(instance, name))]


def represent_container_class(instance: Any) -> str:
    """An object as its class with its public attributes, in alphabetical order.

    >>> from types import SimpleNamespace
    >>> represent_container_class(SimpleNamespace(b=2, a=1))
    'SimpleNamespace(a=1, b=2)'
    """
    pairs = (f"{name}={getattr(instance, name)}" for name in get_public_attrs(instance))
    return f"{type(instance).__name__}({CONTAINER_CLASS_REPR_SEPARATOR.join(pairs)})"
