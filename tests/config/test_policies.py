from __future__ import annotations

from config.policies import feature_spec, learner_settings, reward_policy
from config.settings import Learner, Model, Reward
from lambda_learner.features import FeatureSpec
from lambda_learner.join import RewardPolicy
from lambda_learner.learn.entity import LearnerSettings


def test_the_defaults_of_the_file_are_those_of_the_rules() -> None:
    assert reward_policy(Model().reward) == RewardPolicy()
    assert learner_settings(Model().learner) == LearnerSettings()
    assert feature_spec(Model().learner) == FeatureSpec()


def test_every_setting_of_rewards_reaches_the_join() -> None:
    reward = Reward.model_validate({"window": "10 s", "function": "max", "default": -1, "max": 7})
    policy = RewardPolicy(window_ms=10_000, function="max", default=-1.0, max_rewards=7)
    assert reward_policy(reward) == policy


def test_every_setting_of_the_learner_reaches_it() -> None:
    learner = Learner.model_validate(
        {
            "kind": "linear",
            "prior_mean": 0.1,
            "prior_precision": 4,
            "intercept": {"mean": 0.2, "precision": 5},
            "forgetting": {"factor": 0.9, "per": "time", "tau": "2 hours"},
            "posterior": "full",
            "noise_variance": 3,
            "max_features": 50,
            "exploration": 0.5,
        }
    )
    assert learner_settings(learner) == LearnerSettings(
        kind="linear",
        prior_mean=0.1,
        prior_precision=4.0,
        intercept_mean=0.2,
        intercept_precision=5.0,
        forgetting=0.9,
        forgetting_per="time",
        forgetting_tau_ms=7_200_000,
        posterior="full",
        noise_variance=3.0,
        max_features=50,
        exploration=0.5,
    )


def test_an_estimated_noise_variance_reaches_the_learner() -> None:
    learner = Learner.model_validate({"kind": "linear", "noise_variance": "estimate"})
    assert learner_settings(learner) == LearnerSettings(kind="linear", noise_variance="estimate")
    assert learner_settings(learner).estimates_noise
    assert not learner_settings(Learner.model_validate({"kind": "linear"})).estimates_noise


def test_the_entity_s_own_paths_are_no_features() -> None:
    learner = Learner.model_validate({"entity": ["item.id"], "features": ["item", "item.a x context.b"]})
    assert feature_spec(learner) == FeatureSpec(
        paths=("item",), exclude=("item.id",), crosses=(("item.a", "context.b"),)
    )
