"""How often the 95 % intervals hold the truth, in logged worlds whose values are known exactly.

There are finitely many contexts, each with its candidates, so that every expectation is a finite sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from lambda_learner.evaluation.influence import Comparison, Estimate, compare
from lambda_learner.evaluation.off_policy import (
    Pairs,
    Slates,
    doubly_robust_value,
    greedy_policy,
    pair_choice,
    two_candidate_value,
    weighted_error,
)
from lambda_learner.retrain.gate import GateSettings, decide

FloatArray = npt.NDArray[np.float64]
CONTEXTS, CANDIDATES, DECISIONS, WORLDS = 40, 6, 500, 400


class World(NamedTuple):
    """For each context and candidate: the logging policy, the chance of a reward, the scores of two models."""

    logging: FloatArray
    chance: FloatArray
    candidate: FloatArray
    incumbent: FloatArray


class Log(NamedTuple):
    """Decisions: context, chosen candidate, sample and reward."""

    context: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.int64]
    sample: npt.NDArray[np.int64]
    reward: FloatArray


def new_world(rng: np.random.Generator) -> World:
    shape = (CONTEXTS, CANDIDATES)
    liking = rng.normal(size=shape)
    logits = 0.7 * liking + 0.7 * rng.normal(size=shape)
    logging = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    chance = 1.0 / (1.0 + np.exp(-liking))
    return World(logging, chance, chance + 0.3 * rng.normal(size=shape), chance + 0.3 * rng.normal(size=shape))


def new_log(world: World, rng: np.random.Generator, decisions: int = DECISIONS) -> Log:
    context = rng.integers(CONTEXTS, size=decisions)
    below = np.cumsum(world.logging[context], axis=1) < rng.random((decisions, 1))
    chosen = np.minimum(below.sum(axis=1), CANDIDATES - 1)
    sample = (chosen + rng.integers(1, CANDIDATES, size=decisions)) % CANDIDATES
    reward = (rng.random(decisions) < world.chance[context, chosen]).astype(np.float64)
    return Log(context, chosen, sample, reward)


def two_candidates(world: World, log: Log, scores: FloatArray) -> Estimate:
    here = log.context
    pairs = Pairs(log.reward, world.logging[here, log.chosen], world.logging[here, log.sample])
    return two_candidate_value(pairs, pair_choice(scores[here, log.chosen], scores[here, log.sample]))


def true_two_candidates(world: World, scores: FloatArray) -> float:
    """The sum over contexts and ordered (chosen, sample) of their chance times the chance of the pick's reward."""
    firsts, seconds = np.broadcast_arrays(scores[:, :, None], scores[:, None])
    picked_first = pair_choice(firsts.ravel(), seconds.ravel()).reshape(firsts.shape)
    reward = picked_first * world.chance[:, :, None] + (1.0 - picked_first) * world.chance[:, None]
    logged = world.logging[:, :, None] / (CANDIDATES - 1) * (1.0 - np.eye(CANDIDATES))
    return float((logged * reward).sum() / CONTEXTS)


def error(world: World, log: Log, scores: FloatArray) -> Estimate:
    return weighted_error(log.reward, scores[log.context, log.chosen], world.logging[log.context, log.chosen])


def true_error(world: World, scores: FloatArray) -> float:
    """The mean squared error over evenly drawn candidates: the Bernoulli variance and the squared miss."""
    return float((world.chance * (1.0 - world.chance) + (world.chance - scores) ** 2).mean())


def full_value(world: World, log: Log, scores: FloatArray) -> Estimate:
    firsts = np.arange(0, CANDIDATES * (len(log.context) + 1), CANDIDATES)
    slates = Slates(log.reward, world.logging[log.context, log.chosen], firsts, firsts[:-1] + log.chosen)
    predictions = 0.5 * world.chance[log.context].ravel()  # wrong on purpose: the estimator does not lean on them
    return doubly_robust_value(slates, greedy_policy(scores[log.context].ravel(), firsts), predictions)


def true_full_value(world: World, scores: FloatArray) -> float:
    return float(world.chance[np.arange(CONTEXTS), scores.argmax(axis=1)].mean())


ESTIMATORS = {
    "two candidates": (two_candidates, true_two_candidates, 1.0),
    "weighted error": (error, true_error, -1.0),
    "doubly robust": (full_value, true_full_value, 1.0),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_95_percent_interval_of_the_difference_holds_the_truth_in_90_to_99_percent_of_worlds(
    name: str,
) -> None:
    estimate, truth, sign = ESTIMATORS[name]
    assert 0.90 <= coverage(estimate, truth, sign) <= 0.99


def coverage(
    estimate: Callable[[World, Log, FloatArray], Estimate], truth: Callable[[World, FloatArray], float], sign: float
) -> float:
    inside = 0
    for seed in range(WORLDS):
        rng = np.random.default_rng(seed)
        world = new_world(rng)
        log = new_log(world, rng)
        found = compare(estimate(world, log, world.candidate), estimate(world, log, world.incumbent))
        true_gain = sign * (truth(world, world.candidate) - truth(world, world.incumbent))
        inside += found.low <= true_gain <= found.high
    return inside / WORLDS


def poor_against_good(seed: int) -> tuple[Comparison, float]:
    """A much poorer candidate against a good incumbent, and the true gain, which is negative."""
    rng = np.random.default_rng(seed)
    world = new_world(rng)
    log = new_log(world, rng, decisions=2_000)
    poor = world.chance + rng.normal(size=world.chance.shape)
    gain = true_two_candidates(world, poor) - true_two_candidates(world, world.incumbent)
    return compare(two_candidates(world, log, poor), two_candidates(world, log, world.incumbent)), gain


def test_a_candidate_that_is_worse_by_just_the_margin_passes_the_gate_in_about_2_5_percent_of_worlds() -> None:
    passed = 0
    for comparison, gain in map(poor_against_good, range(WORLDS)):
        passed += decide([comparison], GateSettings(margin=-gain, margin_share=0.0)).outcome == "publish"
    assert 0.005 <= passed / WORLDS <= 0.05


def test_a_candidate_that_is_much_better_passes_the_gate_mostly() -> None:
    passed = 0
    for comparison, _ in map(poor_against_good, range(WORLDS)):
        turned = comparison._replace(gain=-comparison.gain, low=-comparison.high, high=-comparison.low)
        passed += decide([turned], GateSettings(margin=0.02, margin_share=0.0)).outcome == "publish"
    assert passed / WORLDS > 0.75


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_of_many_decisions_come_to_the_truth(name: str) -> None:
    estimate, truth, _ = ESTIMATORS[name]
    rng = np.random.default_rng(7)
    world = new_world(rng)
    log = new_log(world, rng, decisions=200_000)
    assert estimate(world, log, world.candidate).value == pytest.approx(truth(world, world.candidate), abs=0.01)


def user_difference(rng: np.random.Generator, *, by_user: bool) -> Comparison:
    """Two constant predictions 0 and 1 of rewards 0.5 + a user's own liking + noise: their errors differ by 0."""
    users = np.repeat(np.arange(60), 15)
    rewards = 0.5 + rng.normal(size=60)[users] + 0.3 * rng.normal(size=900)
    even = np.full(900, 0.5)
    one, other = (weighted_error(rewards, np.full(900, guess), even) for guess in (0.0, 1.0))
    return compare(one, other, users if by_user else None)


@pytest.mark.parametrize(("by_user", "least", "most"), [(True, 0.90, 0.99), (False, 0.0, 0.80)])
def test_only_the_interval_by_user_covers_where_rows_of_a_user_are_alike(
    by_user: bool, least: float, most: float
) -> None:
    found = [user_difference(np.random.default_rng(seed), by_user=by_user) for seed in range(400)]
    assert least <= np.mean([one.low <= 0.0 <= one.high for one in found]) <= most
