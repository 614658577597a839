"""A bulk encoder copies distinct values to the rows that have them."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.encoding import BulkEncoder, Encoder, Flattener, PathIds


def test_rows_share_values_and_a_row_may_have_none() -> None:
    path_ids = PathIds()
    flattener = Flattener(path_ids, (7,))
    items = flattener.flatten("item", [{"x": 1}, {"x": 2, "y": 3}])
    bulk = BulkEncoder(Encoder(("item.x", "item.y"), {}, 7), path_ids)
    matrix = bulk.encode(flattener.keys(), [(items, np.array([1, -1, 0, 1], np.int32))])
    np.testing.assert_array_equal(matrix, [[2.0, 3.0], [np.nan, np.nan], [1.0, np.nan], [2.0, 3.0]])


def test_a_path_met_after_the_encoder_was_made_is_none_of_its() -> None:
    path_ids = PathIds()
    flattener = Flattener(path_ids, (7,))
    flattener.flatten("item", [{"x": 1}])
    bulk = BulkEncoder(Encoder(("item.x", "item.new"), {}, 7), path_ids)
    items = flattener.flatten("item", [{"x": 1, "new": 2, "newer": "a"}])
    matrix = bulk.encode(flattener.keys(), [(items, np.array([0], np.int32))])
    np.testing.assert_array_equal(matrix, [[1, np.nan]])


def test_a_path_over_the_bound_is_no_feature() -> None:
    path_ids = PathIds(most=1)
    flattener = Flattener(path_ids, (7,))
    items = flattener.flatten("item", [{"x": 1, "y": 2, "z": "a"}])
    bulk = BulkEncoder(Encoder(("item.x", "item.y"), {}, 7), path_ids)
    matrix = bulk.encode(flattener.keys(), [(items, np.array([0], np.int32))])
    assert list(path_ids.ids) == ["item.x"]
    np.testing.assert_array_equal(matrix, [[1, np.nan]])


def test_a_batch_in_which_nothing_is_a_feature_is_all_nan() -> None:
    path_ids = PathIds()
    flattener = Flattener(path_ids, (7,))
    items = flattener.flatten("item", [None, {}])
    bulk = BulkEncoder(Encoder(("item.x",), {}, 7), path_ids)
    matrix = bulk.encode(flattener.keys(), [(items, np.array([0, 1], np.int32))])
    np.testing.assert_array_equal(matrix, [[np.nan], [np.nan]])


def test_a_batch_that_was_flattened_for_another_model_is_refused() -> None:
    path_ids = PathIds()
    flattener = Flattener(path_ids, (7, 8))
    items = flattener.flatten("item", ["a"])
    with pytest.raises(ValueError, match=r"the model's seed 9, got \[7, 8\]"):
        BulkEncoder(Encoder(("item",), {}, 9), path_ids).encode(flattener.keys(), [(items, np.array([0], np.int32))])
