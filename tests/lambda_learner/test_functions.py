from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
from scipy import sparse

from lambda_learner import (
    count_nans,
    current_time_in_ms,
    dedupe_preserve_order,
    flatten,
    get_public_attrs,
    represent_container_class,
    sparse_diag_matrix,
)


class Container:
    """Has an attribute of each kind."""

    kind = "box"

    def __init__(self) -> None:
        self.weight = 2
        self.contents = [1]
        self._secret = "hidden"

    def method(self) -> None:
        """Is no attribute."""


def test_flatten_takes_one_level_away() -> None:
    assert flatten([[[1]], [], [[2, 3], [4]]]) == [[1], [2, 3], [4]]


def test_only_nans_count_as_nans() -> None:
    assert count_nans(np.array([[np.nan, 1.0], [np.inf, np.nan]])) == 2


def test_the_time_is_in_whole_milliseconds() -> None:
    now = current_time_in_ms()
    assert isinstance(now, int)
    assert abs(now - 1000 * time.time()) < 60_000


def test_the_first_of_equal_values_stays() -> None:
    assert dedupe_preserve_order([3, 1, 3, 2, 1]) == [3, 1, 2]


def test_a_diagonal_becomes_a_csc_matrix_of_floats() -> None:
    given = np.array([1, 0])
    matrix = sparse_diag_matrix(given)
    assert isinstance(matrix, sparse.csc_matrix)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix.toarray(), [[1.0, 0.0], [0.0, 0.0]])


def test_changing_a_diagonal_s_source_leaves_the_matrix_alone() -> None:
    given = np.array([1.0, 2.0])
    matrix = sparse_diag_matrix(given)
    given[0] = 9.0
    assert matrix[0, 0] == 1.0


def test_public_attributes_are_neither_callable_nor_private() -> None:
    assert get_public_attrs(Container()) == ["contents", "kind", "weight"]


def test_a_container_is_represented_by_its_attributes_in_order() -> None:
    assert represent_container_class(Container()) == "Container(contents=[1], kind=box, weight=2)"
    assert represent_container_class(SimpleNamespace(b=2, a=1)) == "SimpleNamespace(a=1, b=2)"
