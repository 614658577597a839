"""The matrix of examples, against the plainest way to write it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn.columns import cells, design, index_of, unseen
from lambda_learner.learn.state import INTERCEPT, Example, FeatureKey

KEYS: list[FeatureKey] = [INTERCEPT, *(("item", letter) for letter in "abcde")]
VALUES = st.sampled_from([0.0, -0.0, 1.0, -2.5]) | st.floats(-1e6, 1e6)
FEATURES = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=6)


def plain(features: list[dict[FeatureKey, float]], names: list[FeatureKey]) -> list[list[float]]:
    return [[(key == INTERCEPT) + held.get(key, 0.0) for key in names] for held in features]


@pytest.mark.parametrize("sparse", [False, True])
@given(features=FEATURES)
def test_the_matrix_holds_each_value_in_its_column(features: list[dict[FeatureKey, float]], *, sparse: bool) -> None:
    table = cells([Example(str(i), held, 1.0) for i, held in enumerate(features)])
    index = index_of([INTERCEPT, *(key for key in KEYS[1:] if any(held.get(key) for held in features))])
    positions = [index.get(key) for key in table.keys]
    made = design(table, positions, len(index), sparse=sparse)
    names = list(index) if made.active is None else [list(index)[i] for i in made.active]
    expected = np.array(plain(features, names), dtype=np.float64).reshape(len(features), len(names))
    np.testing.assert_array_equal(made.matrix, expected)
    assert not unseen(table, positions)


@given(features=FEATURES)
def test_sparse_leaves_out_what_no_example_touches(features: list[dict[FeatureKey, float]]) -> None:
    table = cells([Example(str(i), held, 1.0) for i, held in enumerate(features)])
    index = index_of(KEYS)
    active = design(table, [index[key] for key in table.keys], len(KEYS), sparse=True).active
    touched = {index[key] for held in features for key, value in held.items() if value}
    assert active is not None
    assert active.tolist() == sorted({0} | touched)


def test_what_has_a_value_and_no_place_is_unseen() -> None:
    table = cells([Example("1", {KEYS[1]: 1.0, KEYS[2]: 0.0, KEYS[3]: 2.0}, 1.0)])
    assert unseen(table, [4, None, None]) == {KEYS[3]}
