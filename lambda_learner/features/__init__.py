"""From the JSON of an item and a context to features (flatten), and to the entity they belong to (entity)."""

from __future__ import annotations

from lambda_learner.features.entity import entity_key, entity_of
from lambda_learner.features.flatten import Feature, Features, flatten
from lambda_learner.features.spec import FeatureSpec

__all__ = ["Feature", "FeatureSpec", "Features", "entity_key", "entity_of", "flatten"]
