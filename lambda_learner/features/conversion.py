"""From names to indices and back: records to matrices, coefficients to models (lambda_learner.md §4).

On the outside a model is two lists or dicts by (name, term): means, and *variances*. On the inside it is
theta and a *precision* matrix, which the compatible classes call hessian.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from scipy import sparse

from lambda_learner.features.feature import Feature, NameTerm, Value
from lambda_learner.features.index_map import IndexMap
from lambda_learner.features.record import TrainingRecord
from lambda_learner.functions import sparse_diag_matrix
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.matrices import dense, hessian_diagonal
from lambda_learner.trainers.model import IndexedModel

__all__ = [
    "coefficient_dict_to_feature_list",
    "feature_list_coefficient_dict",
    "index_domain_coeffs_to_nt_domain_coeffs",
    "nt_domain_coeffs_to_index_domain_coeffs",
    "nt_domain_data_to_index_domain_data",
]

Coefficients: TypeAlias = dict[NameTerm, Value]


def nt_domain_data_to_index_domain_data(
    records: Sequence[TrainingRecord], index_map: IndexMap, *, real_labels: bool = False
) -> IndexedDataset:
    """One row a record, in order: 1.0 in the intercept's column and the values of its features.

    X is CSC float64 of shape (len(records), len(index_map)). A repeated feature adds up, an intercept given
    as a feature too. `real_labels` takes each `real_label` instead of -1 or +1: the square loss needs it.
    IndexError for a feature that is not indexed.

    >>> records = [TrainingRecord(3.5, 1.0, 0.2, [Feature("genre", "drama", 2.0)])]
    >>> index_map, _ = IndexMap.from_records_means_and_variances(records, [], [])
    >>> data = nt_domain_data_to_index_domain_data(records, index_map, real_labels=True)
    >>> data.X.toarray(), data.y
    (array([[1., 2.]]), array([3.5]))
    """
    labels = (record.real_label if real_labels else record.label for record in records)
    return IndexedDataset(
        _design_matrix(records, index_map),
        _vector(labels),
        _vector(record.weight for record in records),
        _vector(record.offset for record in records),
    )


def nt_domain_coeffs_to_index_domain_coeffs(
    coeff_means: Iterable[Feature],
    coeff_variances: Iterable[Feature],
    index_map: IndexMap,
    regularization_param: float,
) -> IndexedModel:
    """The model of given means and variances: theta is 0 and the precision `regularization_param` elsewhere.

    The precision is a CSC diagonal of 1/variance. A name given twice: the last counts. IndexError for a name
    that is not indexed, ZeroDivisionError for a variance of 0.
    """
    theta = np.zeros(len(index_map))
    precision = np.full(len(index_map), float(regularization_param))
    for mean in coeff_means:
        theta[index_map.get_index(mean.name_term)] = mean.value
    for variance in coeff_variances:
        precision[index_map.get_index(variance.name_term)] = 1.0 / float(variance.value)
    return IndexedModel(theta, sparse_diag_matrix(precision))


def index_domain_coeffs_to_nt_domain_coeffs(
    model: IndexedModel, index_map: IndexMap, *, marginal: bool = False
) -> tuple[Coefficients, Coefficients | None]:
    """The model's means and variances by (name, term), one entry an index; no variances without a hessian.

    The variance of a coefficient is 1/Hᵢᵢ, its variance when all others are known, as in the original.
    `marginal` gives (H⁻¹)ᵢᵢ instead, with the others integrated out: O(d³).
    """
    names = [index_map.get_nt(index) for index in range(len(model.theta))]
    means = dict(zip(names, np.asarray(model.theta, dtype=np.float64).tolist(), strict=True))
    if model.hessian is None:
        return means, None
    variances = np.linalg.inv(dense(model.hessian)).diagonal() if marginal else 1.0 / hessian_diagonal(model.hessian)
    return means, dict(zip(names, variances.tolist(), strict=True))


def coefficient_dict_to_feature_list(coefficients: Mapping[NameTerm, Value]) -> list[Feature]:
    """One feature an entry, in the dict's order."""
    return [Feature(name, term, value) for (name, term), value in coefficients.items()]


def feature_list_coefficient_dict(features: Iterable[Feature]) -> Coefficients:
    """Values by (name, term); of a name given twice the last counts.

    >>> feature_list_coefficient_dict([Feature("genre", "drama", 1.0), Feature("genre", "drama", 2.0)])
    {('genre', 'drama'): 2.0}
    """
    return {feature.name_term: feature.value for feature in features}


def _design_matrix(records: Sequence[TrainingRecord], index_map: IndexMap) -> sparse.csc_matrix:
    rows, columns, values = list(range(len(records))), [index_map.intercept_index] * len(records), [1.0] * len(records)
    for row, record in enumerate(records):
        for feature in record.features:
            rows.append(row)
            columns.append(index_map.get_index(feature.name_term))
            values.append(feature.value)
    shape = (len(records), len(index_map))
    return sparse.csc_matrix((values, (rows, columns)), shape=shape, dtype=np.float64)


def _vector(numbers: Iterable[float]) -> FloatArray:
    return np.fromiter(numbers, dtype=np.float64)
