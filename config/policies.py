"""From settings to what the pure rules take: how rewards count, what is a feature, how an entity learns."""

from __future__ import annotations

from config.settings import Learner, Reward
from lambda_learner.features import FeatureSpec
from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import LearnerSettings

__all__ = ["feature_spec", "learner_settings", "reward_policy"]


def reward_policy(reward: Reward) -> RewardPolicy:
    """How a decision's rewards become one number."""
    return RewardPolicy(
        window_ms=reward.window_ms,
        function=reward.function,
        default=reward.default,
        max_rewards=reward.max,
    )


def feature_spec(learner: Learner) -> FeatureSpec:
    """Which values become features; the entity's own paths are left out."""
    return FeatureSpec.parse(learner.features, entity_paths=learner.entity)


def learner_settings(learner: Learner) -> LearnerSettings:
    """How the entities of a model learn."""
    forgetting = learner.forgetting
    apart = {} if forgetting.tau_ms is None else {"forgetting_tau_ms": forgetting.tau_ms}
    return LearnerSettings(
        kind=learner.kind,
        prior_mean=learner.prior_mean,
        prior_precision=learner.prior_precision,
        intercept_mean=learner.intercept.mean,
        intercept_precision=learner.intercept.precision,
        forgetting=forgetting.factor,
        forgetting_per=forgetting.per,
        posterior=learner.posterior,
        noise_variance=learner.noise_variance,
        max_features=learner.max_features,
        exploration=learner.exploration,
        **apart,
    )
