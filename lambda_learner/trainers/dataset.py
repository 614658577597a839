"""Training data in matrix form."""

from __future__ import annotations

from typing import Any

import numpy as np

from lambda_learner.learn.posterior import FloatArray

__all__ = ["IndexedDataset"]


class IndexedDataset:
    """Records as a matrix `X` (rows are records), labels `y`, weights `w` and `offsets`, each one a row.

    data: a SciPy sparse matrix or array, or a dense 2-D array. Labels are -1 or +1 for the logistic losses and
    any number for the square loss; that is not checked. AssertionError if a vector's length is not the number
    of rows.

    >>> data = IndexedDataset(np.eye(2), [1, -1], [1, 1], [0, 0])
    >>> data.num_examples, data.num_features
    (2, 2)
    """

    def __init__(self, data: Any, labels: Any, labels_weights: Any, offsets: Any) -> None:
        self.X = data
        self.num_rows, self.num_cols = data.shape
        self.y = self._vector("labels", labels)
        self.w = self._vector("labels_weights", labels_weights)
        self.offsets = self._vector("offsets", offsets)
        self.num_examples, self.num_features = self.num_rows, self.num_cols

    def _vector(self, name: str, numbers: Any) -> FloatArray:
        vector = np.asarray(numbers, dtype=np.float64)
        if vector.shape != (self.num_rows,):
            message = f"{name} must have one number for each of the {self.num_rows} rows, got shape {vector.shape}"
            raise AssertionError(message)
        return vector
