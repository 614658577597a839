from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from lambda_learner import (
    Feature,
    IndexedModel,
    IndexMap,
    TrainingRecord,
    coefficient_dict_to_feature_list,
    feature_list_coefficient_dict,
    index_domain_coeffs_to_nt_domain_coeffs,
    nt_domain_coeffs_to_index_domain_coeffs,
    nt_domain_data_to_index_domain_data,
)

INTERCEPT, A, B = ("intercept", "intercept"), ("a", "x"), ("b", "y")


@pytest.fixture
def index_map() -> IndexMap:
    made = IndexMap()
    made.batch_push([A, B])
    return made


def record(label: float, *features: tuple[str, str, float]) -> TrainingRecord:
    return TrainingRecord(label, 2.0, 0.5, [Feature(*feature) for feature in features])


def test_records_become_rows_with_an_intercept(index_map: IndexMap) -> None:
    records = [record(1, ("b", "y", 3.0), ("a", "x", -1.0)), record(0)]
    data = nt_domain_data_to_index_domain_data(records, index_map)
    np.testing.assert_array_equal(data.X.toarray(), [[1.0, -1.0, 3.0], [1.0, 0.0, 0.0]])
    assert isinstance(data.X, sparse.csc_matrix)
    assert data.X.dtype == np.float64
    assert [data.y.tolist(), data.w.tolist(), data.offsets.tolist()] == [[1, -1], [2, 2], [0.5, 0.5]]


def test_a_repeated_feature_adds_up(index_map: IndexMap) -> None:
    given = record(1, ("a", "x", 1.0), ("intercept", "intercept", 1.0), ("a", "x", 2.5))
    np.testing.assert_array_equal(
        nt_domain_data_to_index_domain_data([given], index_map).X.toarray(), [[2.0, 3.5, 0.0]]
    )


def test_no_records_are_a_matrix_without_rows(index_map: IndexMap) -> None:
    assert nt_domain_data_to_index_domain_data([], index_map).X.shape == (0, 3)


def test_real_labels_are_kept_when_asked_for(index_map: IndexMap) -> None:
    records = [record(4.5), record(1), record(0)]
    assert nt_domain_data_to_index_domain_data(records, index_map, real_labels=True).y.tolist() == [4.5, 1, 0]


def test_a_feature_without_an_index_is_an_index_error(index_map: IndexMap) -> None:
    with pytest.raises(IndexError, match="'c', 'z'"):
        nt_domain_data_to_index_domain_data([record(1, ("c", "z", 1.0))], index_map)


def test_means_and_variances_become_theta_and_precision(index_map: IndexMap) -> None:
    model = nt_domain_coeffs_to_index_domain_coeffs(
        [Feature("a", "x", 1.0), Feature("a", "x", 2.0)], [Feature("b", "y", 0.25)], index_map, 10
    )
    assert model.theta.tolist() == [0.0, 2.0, 0.0]
    np.testing.assert_array_equal(model.hessian.toarray(), np.diag([10.0, 10.0, 4.0]))
    assert isinstance(model.hessian, sparse.csc_matrix)


@pytest.mark.parametrize("zero", [0, 0.0, np.float64(0.0)])
def test_a_variance_of_zero_is_refused(index_map: IndexMap, zero: float) -> None:
    with pytest.raises(ZeroDivisionError):
        nt_domain_coeffs_to_index_domain_coeffs([], [Feature("a", "x", zero)], index_map, 1.0)


def test_a_coefficient_without_an_index_is_an_index_error(index_map: IndexMap) -> None:
    unknown = [Feature("c", "z", 1.0)]
    for means, variances in ((unknown, []), ([], unknown)):
        with pytest.raises(IndexError):
            nt_domain_coeffs_to_index_domain_coeffs(means, variances, index_map, 1.0)


HESSIAN = np.array([[4.0, 2.0, 0.0], [2.0, 5.0, 0.0], [0.0, 0.0, 2.0]])


@pytest.mark.parametrize("form", [np.asarray, sparse.csc_matrix, sparse.csr_array])
def test_a_model_becomes_means_and_conditional_variances(index_map: IndexMap, form: Any) -> None:
    model = IndexedModel(np.array([0.5, 1.0, -1.0]), form(HESSIAN))
    means, variances = index_domain_coeffs_to_nt_domain_coeffs(model, index_map)
    assert means == {INTERCEPT: 0.5, A: 1.0, B: -1.0}
    assert variances == {INTERCEPT: 0.25, A: 0.2, B: 0.5}


@pytest.mark.parametrize("form", [np.asarray, sparse.csc_matrix, sparse.csr_array])
def test_marginal_variances_are_those_of_the_inverse(index_map: IndexMap, form: Any) -> None:
    model = IndexedModel(np.zeros(3), form(HESSIAN))
    _, variances = index_domain_coeffs_to_nt_domain_coeffs(model, index_map, marginal=True)
    assert variances == pytest.approx({INTERCEPT: 5 / 16, A: 4 / 16, B: 0.5})


def test_a_model_without_hessian_has_no_variances(index_map: IndexMap) -> None:
    means, variances = index_domain_coeffs_to_nt_domain_coeffs(IndexedModel(np.zeros(3)), index_map)
    assert (len(means), variances) == (3, None)


def test_means_and_variances_survive_both_ways(index_map: IndexMap) -> None:
    means, variances = {INTERCEPT: 0.1, A: 0.2, B: 0.3}, {INTERCEPT: 0.5, A: 0.25, B: 2.0}
    model = nt_domain_coeffs_to_index_domain_coeffs(
        coefficient_dict_to_feature_list(means), coefficient_dict_to_feature_list(variances), index_map, 1.0
    )
    assert index_domain_coeffs_to_nt_domain_coeffs(model, index_map) == (means, variances)


def test_a_dict_of_coefficients_becomes_features_in_its_order() -> None:
    assert coefficient_dict_to_feature_list({B: 2.0, A: 1.0}) == [Feature(*B, 2.0), Feature(*A, 1.0)]
    assert feature_list_coefficient_dict([Feature(*B, 2.0), Feature(*A, 1.0), Feature(*B, 3.0)]) == {B: 3.0, A: 1.0}
