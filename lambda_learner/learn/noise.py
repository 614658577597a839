"""The noise variance of the linear model, estimated along with the coefficients.

The model is θ ~ N(m₀, Λ⁻¹) and yᵢ ~ N(xᵢᵀθ + oᵢ, σ²/wᵢ) with 1/σ² ~ gamma(a₀, b₀). Λ is in absolute units
and does not scale with σ², so the conjugate normal-inverse-gamma update does not apply. Instead σ² is the
mode of its marginal posterior in log σ², θ integrated out, which solves

    σ² = b / a        a = a₀ + ½ (n - γ)        b = b₀ + ½ Σ wᵢ (yᵢ - oᵢ - xᵢᵀθ)²        γ = d - tr(Λ H⁻¹)

with H, θ the posterior's precision and mean at that σ² (the evidence framework: MacKay, Bayesian
interpolation, Neural Computation 4, 1992; Bishop, Pattern Recognition and Machine Learning, §3.5.2). n counts
the records of weight above 0; γ is how many of them were spent on the coefficients. Given the data, 1/σ² is
about gamma(a, b), and (θⱼ - mean) / √(H⁻¹)ⱼⱼ about Student's t: with 2a degrees of freedom for Λ → 0, where
this is exact, and with more where the prior carries part of the variance (Satterthwaite, Biometrics
Bulletin 2, 1946: the degrees that match the variance of an estimated variance).

A posterior's evidence is D = H - Λ and Hθ - Λm₀, both proportional to 1/σ²: with another σ² they are
rescaled, so no record has to be kept. With a full precision they are sufficient, and any split into batches
gives the same result (δ = 1). With a diagonal one what is lost between records cannot be rescaled: each batch
adds its own residuals and spent degrees, Σ wᵢ xᵢᵀH⁻¹xᵢ / σ², as they are after it. Forgetting keeps the share
δ of D, of n - γ and of the squares, as discounted variance learning does (West & Harrison, Bayesian
Forecasting and Dynamic Models, §10.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from lambda_learner.learn.newton import update
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior, forget
from lambda_learner.learn.state import Noise

__all__ = [
    "Noise",
    "NoisePrior",
    "intervals",
    "marginal_degrees",
    "noise_update",
    "noise_variance",
    "update_with_noise",
]

TOLERANCE: Final = 1e-12  # of log σ²
TINY_SHARE: Final = 1e-9  # below it the degrees are infinite for all purposes
LARGEST_LOG: Final = 700.0  # of σ²; e^709 is the largest float
FIRST_STEP: Final = 0.1  # in log σ²: from one batch to the next the estimate hardly moves


class NoisePrior(NamedTuple):
    """What is believed of σ² at first: a guess, in the label's squared unit, worth so many records; both > 0.

    a₀ is half of `records`, b₀ = a₀ · `variance`.
    """

    variance: float = 1.0
    records: float = 1.0


def noise_variance(noise: Noise, prior: NoisePrior) -> float:
    """The estimate of σ², b / a. An entity's posterior is always the one at this noise variance."""
    return (prior.records * prior.variance + noise.squares) / (prior.records + noise.degrees)


def noise_update(noise: Noise, *, records: float, spent: float, squares: float, delta: float = 1.0) -> Noise:
    """The noise after forgetting the share 1 - `delta` of it and seeing `records` more.

    spent: the rise of γ. squares: Σ w residual², and what has changed in the squares of the records before.
    """
    return Noise(delta * noise.degrees + records - spent, delta * noise.squares + squares)


def update_with_noise(  # noqa: PLR0913 - the records are four parallel arrays
    features: FloatArray,
    labels: FloatArray,
    weights: FloatArray,
    offsets: FloatArray,
    posterior: GaussianPosterior,
    *,
    noise: Noise,
    prior: GaussianPosterior,
    noise_prior: NoisePrior,
    delta: float = 1.0,
) -> tuple[GaussianPosterior, Noise]:
    """Forget the share 1 - `delta`, then learn n linear records and σ²; the posterior keeps its form.

    Arrays as in `newton.update`; `prior` is (m₀, Λ), diagonal. Costs 5 to 20 linear updates. No records only
    forget. Raises LinAlgError where float64 does not do: numbers too large, or not finite to begin with.
    """
    if len(labels) == 0 and delta == 1.0:
        return posterior, noise
    before = noise_variance(noise, noise_prior)
    kept = forget(posterior, delta, prior)

    def at(variance: float) -> tuple[GaussianPosterior, Noise]:
        start = _rescaled(kept, prior, before / variance)
        new = update(features, labels, weights, offsets, start, kind="linear", noise_variance=variance).posterior
        residual = labels - offsets - features @ new.mean
        squares = float(weights @ (residual * residual))
        if new.is_diagonal:
            spent = float(weights @ ((features * features) @ (1.0 / new.precision))) / variance
        else:
            spent = _effective(new, prior) - _effective(kept, prior)
            squares += delta * before * _moved_squares(posterior, prior, new.mean)
        records = float(np.count_nonzero(weights))
        return new, noise_update(noise, records=records, spent=spent, squares=squares, delta=delta)

    def excess(log_variance: float) -> float:
        """How far b / a is below this σ², relative to σ²; kept free of a division by a, which may be 0."""
        variance = math.exp(log_variance) if abs(log_variance) < LARGEST_LOG else math.nan
        found = at(variance)[1]
        rate = noise_prior.records * noise_prior.variance + found.squares
        value = noise_prior.records + found.degrees - rate / variance
        if not math.isfinite(value):
            message = f"the noise variance of {len(labels)} records cannot be found in float64"
            raise np.linalg.LinAlgError(message)
        return value

    return at(math.exp(_root(excess, math.log(before))))


def intervals(
    posterior: GaussianPosterior,
    noise: Noise | None = None,
    *,
    prior: GaussianPosterior,
    noise_prior: NoisePrior | None = None,
    share: float = 0.9,
) -> tuple[FloatArray, FloatArray]:
    """The lower and upper ends, each (d,), of the intervals that hold each coefficient with probability `share`.

    They come from marginal variances: normal where the noise variance is known (`noise` None), else Student's t
    with `marginal_degrees`.
    """
    degrees = np.full(len(posterior.mean), np.inf)
    if noise is not None:
        degrees = marginal_degrees(posterior, noise, prior=prior, noise_prior=noise_prior or NoisePrior())
    half = stdtrit(degrees, 0.5 * (1.0 + share)) * np.sqrt(posterior.marginal_variance())
    return posterior.mean - half, posterior.mean + half


def marginal_degrees(
    posterior: GaussianPosterior, noise: Noise, *, prior: GaussianPosterior, noise_prior: NoisePrior
) -> FloatArray:
    """The degrees of freedom of each coefficient's Student's t, shape (d,): 2a / s².

    s, 0 to 1, is how much of the marginal variance v comes from the data: d log v / d log σ² at the estimate,
    1 - (H⁻¹ΛH⁻¹)ⱼⱼ / (H⁻¹)ⱼⱼ. A coefficient that no record touches keeps its normal prior: infinite degrees.
    """
    if posterior.is_diagonal:
        share = 1.0 - prior.precision / posterior.precision
    else:
        covariance = np.linalg.inv(posterior.precision)
        from_prior = np.einsum("ij,j,ji->i", covariance, prior.precision, covariance)
        share = 1.0 - from_prior / np.diagonal(covariance)
    return (noise_prior.records + noise.degrees) / np.maximum(share, TINY_SHARE) ** 2


def _rescaled(posterior: GaussianPosterior, prior: GaussianPosterior, ratio: float) -> GaussianPosterior:
    """The posterior whose evidence counts `ratio` times: precision Λ + ratio·D, mean by the same rule."""
    if ratio == 1.0:
        return posterior
    shrunk = prior.precision if posterior.is_diagonal else np.diag(prior.precision)
    evidence = posterior.precision - shrunk
    precision = shrunk + ratio * evidence
    shift = posterior.mean - prior.mean
    if posterior.is_diagonal:
        return GaussianPosterior(prior.mean + ratio * posterior.precision * shift / precision, precision)
    return GaussianPosterior(prior.mean + ratio * np.linalg.solve(precision, posterior.precision @ shift), precision)


def _effective(posterior: GaussianPosterior, prior: GaussianPosterior) -> float:
    """γ = d - tr(ΛH⁻¹) of a full posterior."""
    return float(len(prior.mean) - prior.precision @ posterior.marginal_variance())


def _moved_squares(posterior: GaussianPosterior, prior: GaussianPosterior, mean: FloatArray) -> float:
    """How the squared residuals of a full posterior's records change, in units of its σ², at another mean.

    They are quadratic in the mean, with curvature 2D and, as Λ(θ - m₀) balances it, gradient -2Λ(θ - m₀).
    """
    move = mean - posterior.mean
    pull = prior.precision * (posterior.mean - prior.mean)
    curved = posterior.precision @ move - prior.precision * move
    return float(move @ curved - 2.0 * move @ pull)


def _root(excess: Callable[[float], float], start: float) -> float:
    """Where the rising `excess` is 0, looked for in steps from `start` that double."""
    value = excess(start)
    step = FIRST_STEP if value < 0.0 else -FIRST_STEP
    last, at = start, start + step
    while value != 0.0 and excess(at) * step < 0.0:
        step *= 2.0
        last, at = at, at + step
    if value == 0.0:
        return start
    return float(brentq(excess, *sorted((last, at)), xtol=TOLERANCE, disp=False))
