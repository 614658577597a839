"""What the stages need to know of each model: one value, made from the settings, sent with the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lambda_learner.features.spec import CROSS, FeatureSpec
from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import LearnerSettings
from lambda_learner.publish.generation import Generation


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """How one model's events are joined, batched and learned.

    `entity_paths` empty means one entity for the whole model. `shards` is that of the generation; an entity
    idle for longer than `entity_ttl_ms` of event time is dropped. `learned` is False for a model that is only archived.
    """

    reward: RewardPolicy
    update_interval_ms: int
    entity_paths: tuple[str, ...]
    features: FeatureSpec
    learner: LearnerSettings
    generation: str
    shards: int = 4
    entity_ttl_ms: int | None = None
    learned: bool = True

    def as_generation(self) -> Generation:
        """What a reader of the coefficients must know, as generation.json has it."""
        crosses = (CROSS.join(pair) for pair in self.features.crosses)
        return Generation(
            generation=self.generation,
            kind=self.learner.kind,
            entity_paths=self.entity_paths,
            features=(*self.features.paths, *crosses),
            reward=self.reward,
            posterior=self.learner.posterior,
            prior=self.learner.prior,
            noise_variance=self.learner.noise_variance,
            shards=self.shards,
        )


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of the models that the configuration names, and of those that it does not."""

    named: Mapping[str, ModelPolicy]
    unknown: ModelPolicy | None

    def of(self, model: str) -> ModelPolicy | None:
        """The policy of a model; None when the model is to be rejected."""
        return self.named.get(model, self.unknown)
