"""A contextual bandit in simulation: what exploration costs and brings, in regret.

Each seed is a world of its own: a catalogue of items with 0/1 features, a user whose logistic model of them is
unknown, and in each round items on offer, one of which is shown and rewarded or not. Every policy learns one
record at a time with a full precision; only how it chooses differs. The world, the offers and the luck of the
rewards of one seed are the same for all policies, so their regrets can be compared in pairs.

Which policy is best depends on the world. With all items on offer in each round nothing but the policy explores;
where the offer changes at random, it explores for free, and choosing by the mean is hard to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from lambda_learner.learn.many import Beliefs, Records, update_many
from lambda_learner.learn.many.arrays import IntArray
from lambda_learner.learn.posterior import FloatArray

__all__ = ["GRIDS", "BanditWorld", "Difference", "Policy", "best_of", "paired_difference", "regrets"]

PRIOR_PRECISION: Final = 1.0  # of the learner, whatever the world is


class BanditWorld(NamedTuple):
    """How worlds are drawn; an item has each feature with probability `density`.

    Of the catalogue's `items`, `offered` at random are on offer in a round; by default all. The user's
    coefficients are N(0, spread²), the intercept is `base`: the log-odds of an item without features.
    """

    rounds: int = 1_000
    items: int = 20
    offered: int = 20
    features: int = 10
    density: float = 0.3
    base: float = -2.0
    spread: float = 1.0


class Policy(NamedTuple):
    """How an item is chosen; `amount` is ε, or α of Thompson sampling.

    greedy: the best by the mean, but with probability ε any. decaying: ε / √round instead of ε.
    thompson: the best by a draw from N(mean, α² H⁻¹), H the precision. inverted: by a draw from
    N(mean, α² diag(H)), the precision taken for the covariance, as the original library does.
    """

    how: Literal["greedy", "decaying", "thompson", "inverted"]
    amount: float


GRIDS: Final = {  # what a policy's amount is chosen from
    "greedy": (
        *(Policy("greedy", epsilon) for epsilon in (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2)),
        *(Policy("decaying", epsilon) for epsilon in (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)),
    ),
    "thompson": tuple(Policy("thompson", alpha) for alpha in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)),
    "inverted": tuple(Policy("inverted", alpha) for alpha in (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)),
}


class Difference(NamedTuple):
    """The mean of paired differences and its 95 % interval."""

    mean: float
    low: float
    high: float


class _Seeds(NamedTuple):
    """The worlds of S seeds, all rounds drawn beforehand; d coefficients with the intercept, T rounds.

    items: (S, items, d). theta: (S, d). offers: (S, T, offered), rows of items. luck: (S, T), uniform, below the
    chance of a reward. normal: (S, T, d). whim: (S, T, 2), uniform: whether to explore, and what.
    """

    items: FloatArray
    theta: FloatArray
    offers: IntArray
    luck: FloatArray
    normal: FloatArray
    whim: FloatArray


def regrets(world: BanditWorld, policy: Policy, seeds: Sequence[int]) -> FloatArray:
    """The cumulative regret after all rounds, shape (seeds,): rewards expected of the best on offer, less the shown.

    200 seeds of 1,000 rounds take 1 to 2 s with the compiled update.
    """
    drawn = _Seeds(*(np.stack(part) for part in zip(*(_drawn(world, seed) for seed in seeds), strict=True)))
    number, d = drawn.theta.shape
    places = np.arange(number + 1) * d
    start = np.broadcast_to(PRIOR_PRECISION * np.eye(d), (number, d, d))
    beliefs = Beliefs(places, np.zeros(number * d), start.ravel())
    every = np.arange(number)
    total = np.zeros(number)
    for at in range(world.rounds):
        offer = np.take_along_axis(drawn.items, drawn.offers[:, at, :, None], axis=1)
        shown = _choice(policy, beliefs, offer, drawn=drawn, at=at)
        chances = 1.0 / (1.0 + np.exp(-np.einsum("sod,sd->so", offer, drawn.theta)))
        total += chances.max(axis=1) - chances[every, shown]
        labels = np.where(drawn.luck[:, at] < chances[every, shown], 1.0, -1.0)
        beliefs = _learned(beliefs, offer[every, shown], labels)
    return total


def best_of(world: BanditWorld, policies: Sequence[Policy], seeds: Sequence[int]) -> Policy:
    """The policy with the lowest mean regret on these seeds; to be judged on others."""
    return min(policies, key=lambda policy: float(regrets(world, policy, seeds).mean()))


def paired_difference(regret: FloatArray, other: FloatArray) -> Difference:
    """`regret` less `other`, seed by seed; the interval is the normal one, fit for a hundred seeds or more."""
    difference = regret - other
    half = 1.96 * float(difference.std(ddof=1)) / np.sqrt(len(difference))
    mean = float(difference.mean())
    return Difference(mean, mean - half, mean + half)


def _drawn(world: BanditWorld, seed: int) -> _Seeds:
    rng = np.random.default_rng(seed)
    d = world.features + 1
    items = (rng.random((world.items, d)) < world.density).astype(np.float64)
    items[:, 0] = 1.0
    theta = world.spread * rng.normal(size=d)
    theta[0] = world.base
    order = rng.random((world.rounds, world.items)).argsort(axis=1)
    return _Seeds(
        items,
        theta,
        order[:, : world.offered],
        rng.random(world.rounds),
        rng.normal(size=(world.rounds, d)),
        rng.random((world.rounds, 2)),
    )


def _choice(policy: Policy, beliefs: Beliefs, offer: FloatArray, *, drawn: _Seeds, at: int) -> IntArray:
    """The place in the offer of the item shown, for each seed."""
    number, offered, d = offer.shape
    theta = beliefs.mean.reshape(number, d)
    precision = beliefs.precision.reshape(number, d, d)
    normal = drawn.normal[:, at]
    if policy.how == "thompson":  # L Lᵀ = H, so L⁻ᵀ z has covariance H⁻¹
        factor = np.linalg.cholesky(precision).transpose(0, 2, 1)
        theta = theta + policy.amount * np.linalg.solve(factor, normal[:, :, None])[:, :, 0]
    elif policy.how == "inverted":
        theta = theta + policy.amount * np.sqrt(np.diagonal(precision, axis1=1, axis2=2)) * normal
    best: IntArray = np.einsum("sod,sd->so", offer, theta).argmax(axis=1)
    if policy.how in {"greedy", "decaying"}:
        epsilon = policy.amount / (np.sqrt(at + 1.0) if policy.how == "decaying" else 1.0)
        whim = drawn.whim[:, at]
        best = np.where(whim[:, 0] < epsilon, (whim[:, 1] * offered).astype(np.int64), best)
    return best


def _learned(beliefs: Beliefs, features: FloatArray, labels: FloatArray) -> Beliefs:
    """The beliefs after one record a seed."""
    number, d = features.shape
    firsts = np.arange(number + 1)
    columns = np.tile(np.arange(d), number)
    records = Records(d * firsts, columns, features.ravel(), labels, np.ones(number), np.zeros(number))
    return update_many(records, firsts, beliefs, kind="logistic", form="full").beliefs
