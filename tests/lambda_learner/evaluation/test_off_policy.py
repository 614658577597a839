"""Off-policy estimates by hand sums and laws; their coverage is in test_off_policy_coverage.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lambda_learner.evaluation.influence import compare, effective_size, interval
from lambda_learner.evaluation.off_policy import (
    MIN_PROPENSITY,
    Pairs,
    Slates,
    doubly_robust_value,
    greedy_policy,
    inverse_propensity_weights,
    pair_choice,
    two_candidate_value,
    weighted_error,
)


def test_the_weighted_error_is_the_self_normalised_mean() -> None:
    found = weighted_error(np.array([1.0, 0.0]), np.array([0.5, 1.0]), np.array([0.5, 0.25]))
    assert found.value == pytest.approx((2 * 0.25 + 4 * 1.0) / 6)
    assert found.name == "weighted_squared_error"


def test_the_weighted_log_loss_takes_log_odds() -> None:
    found = weighted_error(np.array([2.0, 0.0]), np.array([0.0, math.log(3.0)]), np.array([1.0, 0.5]), kind="logistic")
    assert found.value == pytest.approx((math.log(2.0) + 2 * math.log(4.0)) / 3)


def test_a_weight_is_capped() -> None:
    np.testing.assert_array_equal(inverse_propensity_weights(np.array([0.0, 0.5, 1.0])), [1 / MIN_PROPENSITY, 2, 1])


def test_the_two_candidate_value_weights_by_the_propensity_within_the_pair() -> None:
    pairs = Pairs(np.array([3.0, 1.0, 7.0]), np.array([0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.4]))
    choice = pair_choice(np.array([2.0, 1.0, 0.0]), np.array([1.0, 1.0, 5.0]))
    np.testing.assert_array_equal(choice, [1.0, 0.5, 0.0])
    first, second = 0.4 / 0.3, 0.5 * 0.4 / 0.2
    assert two_candidate_value(pairs, choice).value == pytest.approx((first * 3.0 + second * 1.0) / (first + second))


def test_the_two_candidate_value_is_named_as_such() -> None:
    pairs = Pairs(np.ones(2), np.ones(2), np.ones(2))
    assert two_candidate_value(pairs, np.ones(2)).name == "two_candidate_value"


def test_the_doubly_robust_value_by_hand() -> None:
    slates = Slates(np.array([1.0, 0.0]), np.array([0.5, 0.25]), np.array([0, 2, 5]), np.array([0, 4]))
    policy = greedy_policy(np.array([1.0, 0.0, 2.0, 1.0, 2.0]), slates.firsts)
    np.testing.assert_array_equal(policy, [1.0, 0.0, 0.5, 0.0, 0.5])
    found = doubly_robust_value(slates, policy, np.array([0.6, 0.1, 0.2, 0.9, 0.4]))
    first = 0.6 + 1 / 0.5 * (1.0 - 0.6)
    second = 0.5 * 0.2 + 0.5 * 0.4 + 0.5 / 0.25 * (0.0 - 0.4)
    assert found.value == pytest.approx((first + second) / 2)


def test_the_doubly_robust_value_of_the_logging_policy_is_the_mean_reward_whatever_is_predicted() -> None:
    rng = np.random.default_rng(1)
    firsts, chosen = np.arange(0, 41, 4), np.arange(0, 40, 4)
    slates = Slates(rng.random(10), np.full(10, 1.0), firsts, chosen)
    policy = np.zeros(40)
    policy[chosen] = 1.0
    assert doubly_robust_value(slates, policy, rng.normal(size=40)).value == pytest.approx(slates.rewards.mean())


def test_equal_models_differ_by_nothing() -> None:
    rng = np.random.default_rng(2)
    pairs = Pairs(rng.random(50), rng.uniform(0.1, 1, 50), rng.uniform(0.1, 1, 50))
    one = two_candidate_value(pairs, np.ones(50))
    found = compare(one, two_candidate_value(pairs, np.ones(50)))
    assert (found.gain, found.low, found.high, found.rows) == (0.0, 0.0, 0.0, 50)


def test_a_smaller_error_is_a_gain_and_a_larger_value_is_one() -> None:
    rewards, even = np.zeros(4), np.full(4, 0.5)
    better, worse = (weighted_error(rewards, np.full(4, error), even) for error in (1.0, 2.0))
    assert compare(better, worse).gain == 3.0
    pairs = Pairs(np.array([1.0, 0.0, 1.0, 0.0]), even, even)
    right = two_candidate_value(pairs, np.array([1.0, 0.0, 1.0, 0.0]))
    wrong = two_candidate_value(pairs, np.array([0.0, 1.0, 0.0, 1.0]))
    assert compare(right, wrong).gain == 1.0


def test_a_paired_interval_is_shorter_than_two_apart() -> None:
    rng = np.random.default_rng(3)
    rewards, even = rng.normal(size=400), np.full(400, 0.5)
    one, other = (weighted_error(rewards, np.full(400, shift), even) for shift in (0.0, 0.01))
    paired = compare(one, other)
    assert paired.high - paired.low < 0.1 * (interval(one).high - interval(one).low)


def test_the_interval_of_equal_weights_is_that_of_a_mean() -> None:
    values = np.random.default_rng(4).normal(size=300)
    pairs = Pairs(values, np.full(300, 0.5), np.full(300, 0.5))
    found = interval(two_candidate_value(pairs, np.ones(300)))
    half = 1.959964 * values.std(ddof=1) / math.sqrt(300)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_rows_that_are_copies_of_each_other_count_once_within_clusters() -> None:
    rng = np.random.default_rng(5)
    rewards, propensities = rng.normal(size=60), rng.uniform(0.1, 1.0, 60)
    once = weighted_error(rewards, np.zeros(60), propensities)
    thrice = weighted_error(np.repeat(rewards, 3), np.zeros(180), np.repeat(propensities, 3))
    users = np.repeat(np.arange(60), 3)
    assert interval(thrice, users) == pytest.approx(interval(once))
    assert effective_size(thrice.weights, users) == pytest.approx(effective_size(once.weights))


def test_the_effective_size_of_equal_weights_is_their_number_and_of_one_heavy_weight_nearly_one() -> None:
    assert effective_size(np.full(7, 3.0)) == pytest.approx(7.0)
    assert effective_size(np.array([1.0, 1.0, 1e6])) == pytest.approx(1.0, abs=1e-4)
    assert effective_size(np.zeros(3)) == 0.0


def test_rare_rewards_are_few_however_many_rows_there_are() -> None:
    rewards = np.zeros(1000)
    rewards[:3] = 1.0
    one = two_candidate_value(Pairs(rewards, np.full(1000, 0.5), np.full(1000, 0.5)), np.ones(1000))
    assert compare(one, one).effective_size == pytest.approx(4 * 0.003 * 0.997 * 1000)


def test_rewards_that_are_all_equal_tell_nothing() -> None:
    one = two_candidate_value(Pairs(np.ones(1000), np.full(1000, 0.5), np.full(1000, 0.5)), np.ones(1000))
    assert compare(one, one).effective_size == 0.0


def test_a_model_that_never_picks_the_logged_item_has_no_value() -> None:
    pairs = Pairs(np.ones(3), np.ones(3), np.ones(3))
    nothing = two_candidate_value(pairs, np.zeros(3))
    assert math.isnan(nothing.value)
    found = compare(nothing, two_candidate_value(pairs, np.ones(3)))
    assert found.effective_size == 0.0
    assert found.as_fields()["gain"] is None


def test_one_row_has_an_infinite_interval() -> None:
    one = weighted_error(np.ones(1), np.zeros(1), np.ones(1))
    assert interval(one) == (1.0, -math.inf, math.inf)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused_by_name(bad: float) -> None:
    with pytest.raises(ValueError, match=r"predictions must be finite, got (nan|inf)"):
        weighted_error(np.ones(2), np.array([0.0, bad]), np.ones(2))


def test_a_propensity_above_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"propensities must be in 0…1, got 0.5 to 1.5"):
        inverse_propensity_weights(np.array([0.5, 1.5]))


def test_a_decision_without_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="none in decision 1"):
        greedy_policy(np.ones(3), np.array([0, 2, 2, 3]))


def test_estimates_of_two_kinds_are_not_compared() -> None:
    even = np.ones(2)
    with pytest.raises(ValueError, match=r"of one kind.*weighted_squared_error.*weighted_log_loss"):
        compare(weighted_error(even, even, even), weighted_error(even, even, even, kind="logistic"))
