"""Gaussian beliefs about coefficients: N(mean, precision⁻¹), and how they are forgotten.

A precision is a vector of length d (independent coefficients) or a symmetric positive definite d x d matrix.
Which of the two a posterior has is its *form*; every function here keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "GaussianPosterior", "forget"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GaussianPosterior:
    """The normal distribution N(mean, precision⁻¹) of d coefficients.

    mean: shape (d,). precision: shape (d,) when diagonal, (d, d) and symmetric when full.
    """

    mean: FloatArray
    precision: FloatArray

    @property
    def is_diagonal(self) -> bool:
        """Whether the precision is a vector."""
        return self.precision.ndim == 1

    def marginal_variance(self) -> FloatArray:
        """The variance of each coefficient with all others integrated out, shape (d,)."""
        if self.is_diagonal:
            return 1.0 / self.precision
        inverse: FloatArray = np.linalg.inv(self.precision)
        return np.diagonal(inverse).copy()

    def sample(self, rng: np.random.Generator, alpha: float = 1.0) -> FloatArray:
        """One draw of N(mean, alpha² precision⁻¹), shape (d,); takes d normal numbers from `rng`."""
        noise = rng.standard_normal(self.mean.shape[0])
        deviation: FloatArray
        if self.is_diagonal:
            deviation = noise / np.sqrt(self.precision)
        else:
            # precision = L Lᵀ, so L⁻ᵀ noise has covariance precision⁻¹
            deviation = np.linalg.solve(np.linalg.cholesky(self.precision).T, noise)
        return self.mean + alpha * deviation


def forget(posterior: GaussianPosterior, delta: float, prior: GaussianPosterior) -> GaussianPosterior:
    """The posterior with the share `1 - delta` of its evidence replaced by the prior's.

    A = δH + (1-δ)Λ and μ = A⁻¹(δHθ + (1-δ)Λm₀), with H, θ the posterior's precision and mean, Λ, m₀ the
    prior's. δ = 1 gives the posterior itself, δ = 0 the prior in the posterior's form. `prior` may be
    diagonal while `posterior` is full.
    """
    if delta == 1.0:
        return posterior
    if posterior.is_diagonal:
        kept = delta * posterior.precision
        renewed = (1.0 - delta) * prior.precision
        precision = kept + renewed
        return GaussianPosterior((kept * posterior.mean + renewed * prior.mean) / precision, precision)
    prior_precision = np.diag(prior.precision) if prior.is_diagonal else prior.precision
    kept = delta * posterior.precision
    renewed = (1.0 - delta) * prior_precision
    precision = kept + renewed
    mean = np.linalg.solve(precision, kept @ posterior.mean + renewed @ prior.mean)
    return GaussianPosterior(mean, precision)
