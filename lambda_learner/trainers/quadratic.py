"""The Gaussian part of a loss: what pulls theta to zero and to where it was before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.trainers.matrices import precision_form

__all__ = ["Quadratic"]


class Quadratic(NamedTuple):
    """λ/2 ‖θ‖² + ½ (θ-θ₀)ᵀH(θ-θ₀), with λ, θ₀, H the fields ridge, mean, precision."""

    ridge: float
    mean: FloatArray
    precision: sparse.csc_matrix

    def loss(self, theta: FloatArray) -> float:
        """The value at theta."""
        shift = theta - self.mean
        return 0.5 * float(self.ridge * theta @ theta + shift @ (self.precision @ shift))

    def gradient(self, theta: FloatArray) -> FloatArray:
        """The derivatives at theta, shape (d,)."""
        gradient: FloatArray = self.ridge * theta + self.precision @ (theta - self.mean)
        return gradient

    def curvature(self) -> sparse.csc_matrix:
        """The second derivatives, H + λI."""
        return sparse.csc_matrix(self.precision + self.ridge * sparse.identity(len(self.mean)))

    def gaussian(self) -> GaussianPosterior:
        """N(μ, A⁻¹), whose minus log density this is up to a constant: A = H + λI, μ = A⁻¹Hθ₀.

        ValueError if A is not positive definite.
        """
        pull = self.precision @ self.mean
        precision = precision_form(self.curvature())
        mean = pull / precision if precision.ndim == 1 else np.linalg.solve(precision, pull)
        return GaussianPosterior(mean, precision)
