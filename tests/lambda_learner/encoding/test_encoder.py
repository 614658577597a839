"""What an encoder refuses, and what of JSON is a value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lambda_learner.encoding import Encoder, StringTable, leaves, to_float32


@pytest.mark.parametrize(
    ("features", "tables", "seed", "named"),
    [
        ((), {}, 1, "features must be"),
        (("a", "a"), {}, 1, "features must be"),
        (("a", ""), {}, 1, "features must be"),
        (("a",), {"b": [1]}, 1, "got one of 'b'"),
        (("a",), {}, 0, "seed must be"),
        (("a",), {}, 2**32, "got 4294967296"),
        (("a",), {}, True, "got True"),
        (("a",), {"a": [-1]}, 1, "entries must be"),
        (("a",), {"a": [2**64]}, 1, "entries must be"),
    ],
)
def test_a_model_that_clients_could_not_use_is_refused(
    features: tuple[str, ...], tables: dict[str, list[int]], seed: int, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        Encoder(features, tables, seed)


@pytest.mark.parametrize("value", [None, {}, [], math.nan, [None, {}], {"a": []}, 10**400])
def test_what_is_missing_null_or_too_large_is_nothing(value: Any) -> None:
    assert leaves("item", value) == {}


def test_nesting_deeper_than_python_recurses_is_flattened() -> None:
    value: Any = 1
    for _ in range(5000):
        value = [value]
    assert list(leaves("item", value).values()) == [1.0]


def test_what_json_does_not_have_is_a_type_error_that_names_the_path() -> None:
    with pytest.raises(TypeError, match=r"item\.a\.0 holds a set"):
        leaves("item", {"a": [set()]})


def test_a_number_and_a_string_at_one_path_are_in_one_column() -> None:
    encoder = Encoder(("item.a",), {"item.a": [5]}, 3)
    assert encoder.encode({"a": 7.5})[0] == 7.5
    assert -0.5 <= encoder.encode({"a": "7.5"})[0] <= 1.0


def test_of_equal_entries_the_best_place_counts() -> None:
    assert StringTable([4, 2, 4]).value(4) == 1.0


def test_a_number_over_float32_is_cut_to_its_largest() -> None:
    values = to_float32(np.array([1e300, -1e300, np.nan, 2.0]))
    largest = np.finfo(np.float32).max
    np.testing.assert_array_equal(values, np.array([largest, -largest, np.nan, 2], np.float32))
