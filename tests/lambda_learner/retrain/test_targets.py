"""Targets: the model's own reward function over the archived map, late rewards in or out."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from lambda_learner.join import RewardFunction, RewardPolicy
from lambda_learner.retrain.moments import Moments
from lambda_learner.retrain.settings import LateRewards
from lambda_learner.retrain.targets import rewards_of
from tests.harness.archived_rows import START_S, id_at


def reward(rewards: dict[str, float], policy: RewardPolicy | None = None, *, late: LateRewards = "include") -> float:
    text = orjson.dumps(rewards)
    return float(rewards_of([text], [float(START_S)], policy or RewardPolicy(), late)[0])


@pytest.mark.parametrize(
    ("function", "expected"),
    [("sum", 7.0), ("mean", 7 / 3), ("min", 1.0), ("max", 4.0), ("median", 2.0), ("first", 1.0), ("last", 4.0)],
)
def test_each_reward_function_of_the_model_makes_the_target(function: RewardFunction, expected: float) -> None:
    assert reward({id_at(3): 4.0, id_at(1): 1.0, id_at(2): 2.0}, RewardPolicy(function=function)) == expected


def test_a_decision_without_rewards_has_the_models_default() -> None:
    assert reward({}, RewardPolicy(default=-0.5)) == -0.5
    assert rewards_of([None], [0.0], RewardPolicy(default=2.0), "include").tolist() == [2.0]


def test_a_reward_after_the_window_counts_only_when_late_ones_do() -> None:
    policy = RewardPolicy(window_ms=600_000, default=-1.0)
    rewards = {id_at(600): 1.0, id_at(601): 5.0}
    assert reward(rewards, policy, late="include") == 6.0
    assert reward(rewards, policy, late="exclude") == 1.0
    assert reward({id_at(601): 5.0}, policy, late="exclude") == -1.0


def test_rewards_over_the_cap_do_not_count() -> None:
    assert reward({id_at(1): 1.0, id_at(2): 2.0, id_at(3): 4.0}, RewardPolicy(max_rewards=2)) == 3.0


@pytest.mark.parametrize("text", [b"[]", b"3", b'{"a":"1"}', b'{"a":null}', b"{", b'{"a":1e300}', b"\xff"])
def test_rewards_that_are_no_map_of_usable_numbers_give_none(text: bytes) -> None:
    assert np.isnan(rewards_of([text], [0.0], RewardPolicy(), "include")[0])


def test_a_reward_whose_time_cannot_be_told_gives_none_when_late_ones_are_left_out() -> None:
    assert np.isnan(reward({"abc": 1.0}, late="exclude"))
    assert reward({"abc": 1.0}, late="include") == 1.0


def test_a_sum_that_overflows_gives_none() -> None:
    assert np.isnan(reward({id_at(1): 1e308, id_at(2): 1e308}))


def test_moments_of_batches_are_those_of_all() -> None:
    values = np.random.default_rng(3).normal(5, 2, 100)
    moments = Moments()
    for batch in np.split(values, [1, 1, 40]):
        moments = moments.added(batch)
    assert moments.count == 100
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12)
    assert moments.deviation == pytest.approx(values.std(ddof=1), rel=1e-12)


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2.0, 2.0]])
def test_numbers_that_do_not_differ_have_deviation_1(values: list[float]) -> None:
    assert Moments().added(np.array(values)).deviation == 1.0
