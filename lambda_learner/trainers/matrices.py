"""Precision matrices in whatever form they come: SciPy sparse matrix or array, NumPy array or matrix."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy import sparse

from lambda_learner.learn.posterior import FloatArray

__all__ = ["dense", "hessian_diagonal", "is_diagonal", "is_symmetric", "precision_form"]

ASYMMETRY: Final = 1e-9  # relative to the largest entry: what rounding leaves in a matrix that was inverted twice


def dense(hessian: Any) -> FloatArray:
    """The matrix as a NumPy array of shape (d, d)."""
    return np.asarray(hessian.toarray() if sparse.issparse(hessian) else hessian, dtype=np.float64)


def hessian_diagonal(hessian: Any) -> FloatArray:
    """The diagonal, shape (d,)."""
    return np.asarray(hessian.diagonal(), dtype=np.float64).reshape(-1)


def is_diagonal(hessian: Any) -> bool:
    """Whether all other entries are 0."""
    entries = sparse.coo_matrix(hessian)
    return not entries.data[entries.row != entries.col].any()


def is_symmetric(hessian: Any) -> bool:
    """Whether the matrix equals its transpose up to rounding."""
    entries = sparse.csc_matrix(hessian)
    asymmetry: float = abs(entries - entries.T).max()
    largest: float = abs(entries).max()
    return asymmetry <= ASYMMETRY * largest


def precision_form(precision: Any) -> FloatArray:
    """The precision as `GaussianPosterior` has it: shape (d,) if it is diagonal, else (d, d).

    ValueError if it is not positive definite.
    """
    if not is_diagonal(precision):
        matrix = dense(precision)
        np.linalg.cholesky(matrix)  # LinAlgError, a ValueError, if it is not positive definite
        return matrix
    diagonal = hessian_diagonal(precision)
    if not (diagonal > 0.0).all():
        message = f"the precision must be positive definite, got {diagonal.min()} on its diagonal"
        raise ValueError(message)
    return diagonal
