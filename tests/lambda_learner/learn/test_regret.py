"""Thompson sampling against what a user would do without it, on 200 paired seeds that tuned nothing.

The world is one of six that were tried, and Thompson sampling does not win in all: docs/evaluation.md has them.
"""

from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.evaluation.bandit import GRIDS, BanditWorld, Policy, best_of, paired_difference, regrets
from lambda_learner.learn.posterior import FloatArray

pytestmark = pytest.mark.slow

WORLD = BanditWorld()
SEEDS = range(200)
TUNING_SEEDS = range(10_000, 10_040)


@pytest.fixture(scope="module")
def thompson() -> FloatArray:
    return regrets(WORLD, Policy("thompson", 1.0), SEEDS)


def test_thompson_sampling_has_less_regret_than_a_tuned_epsilon_greedy(thompson: FloatArray) -> None:
    tuned = best_of(WORLD, GRIDS["greedy"], TUNING_SEEDS)
    greedy = regrets(WORLD, tuned, SEEDS)
    assert paired_difference(greedy, thompson).low > 0.0
    # It is tuned indeed: never exploring, and exploring at every fifth round, cost more.
    for amount in (0.0, 0.2):
        assert regrets(WORLD, Policy("greedy", amount), SEEDS).mean() > greedy.mean()


@pytest.mark.parametrize("alpha", [1.0, 0.1], ids=["of the same size", "near its best size"])
def test_thompson_sampling_has_less_regret_than_with_the_precision_for_the_covariance(
    thompson: FloatArray, alpha: float
) -> None:
    inverted = regrets(WORLD, Policy("inverted", alpha), SEEDS)
    assert paired_difference(inverted, thompson).low > 0.0


def test_without_exploration_all_policies_choose_alike() -> None:
    world = BanditWorld(rounds=50)
    greedy, *others = (regrets(world, Policy(how, 0.0), range(5)) for how in ("greedy", "thompson", "inverted"))
    for other in others:
        np.testing.assert_array_equal(other, greedy)


def test_a_seed_s_regret_does_not_depend_on_the_other_seeds() -> None:
    world, policy = BanditWorld(rounds=50, offered=5), Policy("thompson", 1.0)
    np.testing.assert_array_equal(regrets(world, policy, [3, 4, 5])[1:2], regrets(world, policy, [4]))


def test_choosing_at_random_costs_the_same_in_each_part_of_time() -> None:
    half, whole = (regrets(BanditWorld(rounds=n), Policy("greedy", 1.0), range(50)).mean() for n in (100, 200))
    assert whole == pytest.approx(2.0 * half, rel=0.05)


def test_the_interval_of_paired_differences_by_hand() -> None:
    difference = paired_difference(np.array([3.0, 5.0, 4.0]), np.array([1.0, 1.0, 1.0]))
    half = 1.96 / np.sqrt(3.0)
    np.testing.assert_allclose(difference, (3.0, 3.0 - half, 3.0 + half))
