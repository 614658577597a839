"""The model that is latest now, ours or one of the Gym's, and what it may have been trained on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from lambda_learner.publish.model_file import LINEAGE, DamagedModel, from_model_file
from lambda_learner.publish.model_keys import MODEL_EXTENSION, latest_key
from lambda_learner.publish.models import live_stem
from lambda_learner.publish.store import Store
from lambda_learner.retrain.decision import DecisionModel

__all__ = ["Incumbent", "Scale", "read_incumbent", "scale_of"]

MS: Final = 1000


class Scale(NamedTuple):
    """A model's score s stands for the reward mean + deviation · s."""

    mean: float
    deviation: float


class Incumbent(NamedTuple):
    """A model; it has seen no decision after `seen_through_ms`. `scale` None: not known, as of one of the Gym's."""

    stem: str
    model: DecisionModel
    seen_through_ms: int
    scale: Scale | None


def read_incumbent(store: Store, model: str) -> Incumbent | DamagedModel | None:
    """The latest model; None if there is none, and what is wrong with one that clients could not use either."""
    key = latest_key(model, MODEL_EXTENSION)
    found = store.get(key)
    if found is None:
        return None
    try:
        booster, metadata = from_model_file(found.data, key)
    except DamagedModel as damage:
        return damage
    decision, lineage = DecisionModel.of(booster, metadata), metadata.get(LINEAGE)
    if lineage is None:
        return Incumbent(live_stem(store, model) or "", decision, _created_ms(metadata), None)
    metrics = lineage["metrics"]
    normalized = lineage["settings"]["normalize_rewards"]
    scale = scale_of(metrics["mean_reward"], metrics["reward_deviation"], normalized=normalized)
    return Incumbent(live_stem(store, model) or "", decision, metrics["last_decision_s"] * MS, scale)


def scale_of(mean: float, deviation: float, *, normalized: bool) -> Scale:
    """The scale of a model that was trained on rewards of that mean and deviation."""
    return Scale(mean, deviation) if normalized else Scale(0.0, 1.0)


def _created_ms(metadata: dict[str, Any]) -> int:
    """When a model was made: it has seen nothing later. The original writes its machine's local time, on AWS UTC."""
    created = datetime.fromisoformat(metadata["ai.improve.created_at"])
    return int((created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp() * MS)
