"""How good a model would be, told from decisions that another policy has made (DESIGN §6).

A log that holds the chosen item, the number of candidates and one sample of the others tells two things. The error of
a model's predictions, were candidates drawn evenly: rows weighted by 1 / propensity. And the value of the
*two-candidate policy*: the mean reward, had only the chosen item and the sample been on offer and the model picked one.
As the sample is drawn evenly from the others, a pair {a, b} is logged with a chosen in a share π(a) / (π(a) + π(b)) of
the cases; that is the propensity within the pair. Both are self-normalised (Swaminathan & Joachims, The self-normalized
estimator for counterfactual learning, 2015) and are as good as the propensities, which are mostly modelled themselves.

A log that holds all candidates and the propensity tells the value of choosing among them all, by the doubly robust
estimator (Dudík, Langford & Li, Doubly robust policy evaluation and learning, 2011): unbiased for any predictions.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lambda_learner.evaluation.influence import Estimate, FloatArray
from lambda_learner.learn.losses import Kind

__all__ = [
    "MIN_PROPENSITY",
    "Pairs",
    "Slates",
    "doubly_robust_value",
    "greedy_policy",
    "inverse_propensity_weights",
    "pair_choice",
    "two_candidate_value",
    "weighted_error",
]

MIN_PROPENSITY: Final = 1e-4  # caps an inverse propensity weight at 10,000
HALF: Final = 0.5


class Pairs(NamedTuple):
    """Decisions that have a sample, each array (n,): the rest offered no choice.

    propensities: that of the chosen item among all candidates; sample_propensities: that of the sample.
    """

    rewards: FloatArray
    propensities: FloatArray
    sample_propensities: FloatArray


class Slates(NamedTuple):
    """Decisions whose candidates are all logged; the m candidates of n decisions lie one after the other.

    rewards, propensities (of the chosen item): (n,). firsts: (n + 1,), where each decision's candidates begin, and m.
    chosen: (n,), rows among the m.
    """

    rewards: FloatArray
    propensities: FloatArray
    firsts: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.int64]


def inverse_propensity_weights(propensities: FloatArray) -> FloatArray:
    """The weights 1 / propensity, at most 1 / MIN_PROPENSITY; ValueError for a propensity not in 0…1."""
    weights: FloatArray = 1.0 / _clipped(propensities)
    return weights


def weighted_error(
    rewards: FloatArray, predictions: FloatArray, propensities: FloatArray, *, kind: Kind = "linear"
) -> Estimate:
    """The model's mean error over evenly drawn candidates, arrays (n,).

    linear: the squared error, predictions in the reward's unit. logistic: the log loss in nats of predicted log-odds,
    a reward above 0 being a success.
    """
    _check(rewards=rewards, predictions=predictions)
    if kind == "linear":
        name, losses = "weighted_squared_error", (rewards - predictions) ** 2
    else:
        name, losses = "weighted_log_loss", np.logaddexp(0.0, np.where(rewards > 0.0, -predictions, predictions))
    weights = inverse_propensity_weights(propensities)
    return _self_normalised(name, losses, weights, larger_is_better=False)


def pair_choice(item_scores: FloatArray, sample_scores: FloatArray) -> FloatArray:
    """The chance that a model picks the logged item of each pair: 1, 0, or ½ for equal scores."""
    _check(item_scores=item_scores, sample_scores=sample_scores)
    choice: FloatArray = HALF * (1.0 + np.sign(item_scores - sample_scores))
    return choice


def two_candidate_value(pairs: Pairs, choice: FloatArray) -> Estimate:
    """The value of the two-candidate policy, not that of choosing among all candidates.

    choice: (n,), the chance that the policy picks the logged item rather than the sample.
    """
    _check(rewards=pairs.rewards, choice=choice)
    chosen, sample = _clipped(pairs.propensities), _clipped(pairs.sample_propensities)
    weights = choice * (chosen + sample) / chosen
    return _self_normalised("two_candidate_value", pairs.rewards, weights, larger_is_better=True)


def greedy_policy(scores: FloatArray, firsts: npt.NDArray[np.int64]) -> FloatArray:
    """The chance of each candidate, (m,), if the best score of its decision is taken; equal ones share it."""
    _check(scores=scores)
    starts, sizes = firsts[:-1], np.diff(firsts)
    if len(sizes) and sizes.min() < 1:
        message = f"each decision must have a candidate, got none in decision {int(sizes.argmin())}"
        raise ValueError(message)
    best = (scores == np.repeat(np.maximum.reduceat(scores, starts), sizes)).astype(np.float64)
    policy: FloatArray = best / np.repeat(np.add.reduceat(best, starts), sizes)
    return policy


def doubly_robust_value(slates: Slates, policy: FloatArray, predictions: FloatArray) -> Estimate:
    """The value of a policy over all candidates.

    policy, predictions: (m,), the chance of each candidate and its predicted reward, in the reward's unit. Predictions
    must come from a model that has not seen these decisions; good ones make the interval short, none make it biased.
    """
    _check(rewards=slates.rewards)
    _check(policy=policy, predictions=predictions)
    weights = policy[slates.chosen] / _clipped(slates.propensities)
    expected = np.add.reduceat(policy * predictions, slates.firsts[:-1])
    values = expected + weights * (slates.rewards - predictions[slates.chosen])
    value = float(values.mean())
    return Estimate("doubly_robust_value", value, values - value, weights, larger_is_better=True)


def _self_normalised(name: str, values: FloatArray, weights: FloatArray, *, larger_is_better: bool) -> Estimate:
    total = float(weights.sum())
    if total == 0.0:
        return Estimate(name, float("nan"), np.zeros(len(weights)), weights, larger_is_better)
    value = float(weights @ values) / total
    influence = weights * (values - value) * (len(weights) / total)
    return Estimate(name, value, influence, weights, larger_is_better)


def _clipped(propensities: FloatArray) -> FloatArray:
    _check(propensities=propensities)
    if len(propensities) and not 0.0 <= propensities.min() <= propensities.max() <= 1.0:
        message = f"propensities must be in 0…1, got {propensities.min()} to {propensities.max()}"
        raise ValueError(message)
    return np.maximum(propensities, MIN_PROPENSITY)


def _check(**arrays: FloatArray) -> None:
    """Refuse arrays of different lengths, and numbers that are not finite."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        message = f"there must be as many of each, got {lengths}"
        raise ValueError(message)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            message = f"{name} must be finite, got {array[~np.isfinite(array)][0]}"
            raise ValueError(message)
