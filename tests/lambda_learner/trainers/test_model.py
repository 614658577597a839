"""Data and models in matrix form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from lambda_learner import HessianType, IndexedDataset, IndexedModel


def test_a_dataset_knows_its_size() -> None:
    data = IndexedDataset(sparse.csc_matrix((3, 2)), [1, -1, 1], [1, 1, 1], [0, 0, 0])
    assert (data.num_rows, data.num_cols, data.num_examples, data.num_features) == (3, 2, 3, 2)
    assert sparse.issparse(data.X)


@pytest.mark.parametrize("short", [0, 1, 2])
def test_a_vector_of_another_length_is_an_assertion_error(short: int) -> None:
    vectors = [np.ones(2 if place == short else 3) for place in range(3)]
    with pytest.raises(AssertionError, match="3 rows"):
        IndexedDataset(np.ones((3, 1)), *vectors)


def test_a_model_keeps_what_it_is_given() -> None:
    theta, hessian = np.zeros(2), np.eye(2)
    model = IndexedModel(theta, hessian)
    assert model.theta is theta
    assert model.hessian is hessian


def test_a_model_may_know_nothing_or_only_theta() -> None:
    assert IndexedModel(None).theta is None
    assert IndexedModel(np.zeros(2)).hessian is None


def test_a_hessian_must_fit_theta() -> None:
    with pytest.raises(AssertionError, match="hessian"):
        IndexedModel(np.zeros(2), np.eye(3))
    with pytest.raises(TypeError):
        IndexedModel(None, np.eye(3))


def test_the_hessian_types_have_the_original_s_numbers() -> None:
    assert {kind.name: kind.value for kind in HessianType} == {"FULL": 0, "DIAGONAL": 1, "IDENTITY": 2, "NONE": 4}
