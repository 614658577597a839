"""From settings to what the pure rules take: how rewards count, what is a feature, how models learn and are trained."""

from __future__ import annotations

from typing import Any, Final

from config.sections import Section
from config.settings import Learner, Reward, Settings
from config.training import Drift, Training, merged
from lambda_learner.features import FeatureSpec
from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import LearnerSettings
from lambda_learner.retrain.drift import DriftSettings
from lambda_learner.retrain.gate import GateSettings
from lambda_learner.retrain.settings import TrainingSettings, parse_hyperparameters
from lambda_learner.retrain.trigger import TriggerSettings

__all__ = [
    "HELD_OUT_SHARE",
    "feature_spec",
    "gate_settings",
    "held_out_share",
    "learner_settings",
    "reward_policy",
    "training_for",
    "training_settings",
    "trigger_settings",
]

HELD_OUT_SHARE: Final = 0.1  # of the newest decisions, for the gate


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


def training_for(settings: Settings, model: str) -> Training:
    """The section `training` with what the model's own one says over it."""
    return merged(settings.training, settings.model_for(model).training)


def training_settings(settings: Settings, model: str) -> TrainingSettings:
    """How a model is trained, its rewards counted by its own function."""
    training = training_for(settings, model)
    return TrainingSettings(
        reward=reward_policy(settings.model_for(model).reward),
        **parse_hyperparameters(training.hyperparameters),
        **_said(training, "late_rewards", "compatible", "max_memory_bytes"),
    )


def gate_settings(settings: Settings, model: str) -> GateSettings:
    """How sure the gate must be before a new model takes the place of the latest one."""
    return GateSettings(**_said(training_for(settings, model).gate, *GateSettings._fields))


def held_out_share(settings: Settings, model: str) -> float:
    """The share of the decisions, the newest ones, that the gate compares models on."""
    return training_for(settings, model).gate.held_out_share or HELD_OUT_SHARE


def trigger_settings(settings: Settings, model: str) -> TriggerSettings:
    """What asks for a retraining of a model."""
    training = training_for(settings, model)
    return TriggerSettings(training.schedule, training.new_decisions, _drift_settings(training.drift))


def _drift_settings(drift: Drift) -> DriftSettings | None:
    """None unless it is switched on, or said how it is to be."""
    said = _said(drift, "allowance", "threshold", "warm_up_records")
    enabled = bool(said) if drift.enabled is None else drift.enabled
    return DriftSettings(**said) if enabled else None


def _said(section: Section, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(section, name)) is not None}
