"""A linear model in matrix form: theta and, if known, its precision."""

from __future__ import annotations

from typing import Any

__all__ = ["IndexedModel"]


class IndexedModel:
    """Coefficients `theta` of shape (d,) and their precision `hessian` of shape (d, d), kept without a copy.

    The hessian is a *precision* (the inverse of a covariance): a SciPy sparse matrix from our trainers, a dense
    array if you like. `IndexedModel(None)` lets a trainer begin at 0. AssertionError if the shapes do not fit;
    TypeError for a hessian without a theta.
    """

    def __init__(self, theta: Any, hessian: Any = None) -> None:
        if hessian is not None and hessian.shape != (len(theta), len(theta)):
            message = f"hessian must have shape {(len(theta), len(theta))}, got {hessian.shape}"
            raise AssertionError(message)
        self.theta = theta
        self.hessian = hessian
