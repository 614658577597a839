"""What the stages need to know of each model: one value, made from the settings, sent with the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lambda_learner.features.spec import FeatureSpec
from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import LearnerSettings

UnknownModels = Literal["learn", "archive", "reject"]


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """How one model's events are joined, batched and learned.

    `entity_paths` empty means one entity for the whole model. `learned` is False for a model that is only archived.
    """

    reward: RewardPolicy
    update_interval_ms: int
    entity_paths: tuple[str, ...]
    features: FeatureSpec
    learner: LearnerSettings
    generation: str
    learned: bool = True


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of the models that the configuration names, and of those that it does not."""

    named: Mapping[str, ModelPolicy]
    unknown: ModelPolicy | None

    def of(self, model: str) -> ModelPolicy | None:
        """The policy of a model; None when the model is to be rejected."""
        return self.named.get(model, self.unknown)
