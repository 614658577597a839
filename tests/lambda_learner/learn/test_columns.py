"""The records of examples, against the plainest way to write them as a matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.learn.columns import cells, records_of, unseen
from lambda_learner.learn.many.arrays import dense
from lambda_learner.learn.state import INTERCEPT, Example, FeatureKey, Names

KEYS: list[FeatureKey] = [INTERCEPT, *(("item", letter) for letter in "abcde")]
VALUES = st.sampled_from([0.0, -0.0, 1.0, -2.5]) | st.floats(-1e6, 1e6)
FEATURES = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=6)


def plain(features: list[dict[FeatureKey, float]], names: list[FeatureKey]) -> list[list[float]]:
    return [[(key == INTERCEPT) + held.get(key, 0.0) for key in names] for held in features]


@given(features=FEATURES)
def test_the_records_hold_each_value_in_its_column(features: list[dict[FeatureKey, float]]) -> None:
    examples = [Example(str(i), held, 1.0, weight=i, offset=-i) for i, held in enumerate(features)]
    table = cells(examples)
    index = Names([INTERCEPT, *(key for key in KEYS[1:] if any(held.get(key) for held in features))]).index_by_key
    positions = [index.get(key) for key in table.keys]
    records = records_of(table, positions, [1.0] * len(features), examples)
    matrix = np.zeros((len(features), len(index)))
    rows = np.repeat(np.arange(len(features)), np.diff(records.starts))
    np.add.at(matrix, (rows, records.columns), records.values)
    expected = np.array(plain(features, list(index)), dtype=np.float64).reshape(matrix.shape)
    np.testing.assert_array_equal(matrix, expected)
    np.testing.assert_array_equal(dense(records, 0, len(features), len(index)), expected)
    assert records.weights.tolist() == [-offset for offset in records.offsets.tolist()] == list(range(len(features)))
    assert not unseen(table, positions)


def test_what_has_a_value_and_no_place_is_unseen() -> None:
    table = cells([Example("1", {KEYS[1]: 1.0, KEYS[2]: 0.0, KEYS[3]: 2.0}, 1.0)])
    assert unseen(table, [0, 4, None, None]) == {KEYS[3]}
