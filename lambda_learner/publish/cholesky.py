"""A full precision as the packed Cholesky factor that is published, and back.

H = L Lᵀ with L lower triangular; packed = the rows of L up to the diagonal, one after the other, d(d+1)/2
numbers. The marginal variances are diag(H⁻¹) = the column sums of squares of L⁻¹.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lambda_learner.publish.coefficients import FloatArray

__all__ = ["Packed", "pack", "unpack"]

# A precision that rounding has made slightly indefinite has its diagonal raised by these shares, in turn.
RELATIVE_RAISES = (0.0, 1e-14, 1e-12, 1e-10, 1e-8)


class Packed(NamedTuple):
    """A packed factor and the marginal variances."""

    factor: FloatArray
    variance: FloatArray


def pack(precision: FloatArray) -> Packed:
    """Give the packed factor of a precision and its marginal variances; O(d³).

    ValueError for a precision that is not finite and positive definite.
    """
    lower = _factor(precision)
    inverse = np.linalg.inv(lower)
    return Packed(lower[np.tril_indices(len(lower))], np.einsum("ij,ij->j", inverse, inverse))


def unpack(factor: FloatArray, size: int) -> FloatArray:
    """Give the precision of a packed factor, symmetric; ValueError if the factor has another size."""
    if len(factor) != size * (size + 1) // 2:
        message = f"a factor of {size} features has {size * (size + 1) // 2} numbers, got {len(factor)}"
        raise ValueError(message)
    lower = np.zeros((size, size))
    lower[np.tril_indices(size)] = factor
    precision: FloatArray = lower @ lower.T
    return precision


def _factor(precision: FloatArray) -> FloatArray:
    scale = np.diag(np.diag(precision))
    for relative in RELATIVE_RAISES:
        try:
            lower: FloatArray = np.linalg.cholesky(precision + relative * scale if relative else precision)
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(lower).all():
            return lower
    message = f"a precision must be finite and positive definite (diagonal {np.diag(precision)[:5]} …)"
    raise ValueError(message)
