"""What a worker is to do for a request, and where."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_learner.learn.losses import Kind
from lambda_learner.publish.store import Store
from lambda_learner.retrain.gate import GateSettings
from lambda_learner.retrain.requests import RetrainRequest
from lambda_learner.retrain.settings import TrainingSettings

__all__ = ["BaseOrder", "Buckets", "Order"]


@dataclass(frozen=True, slots=True)
class Buckets:
    """The archive and the requests are in `train`, the models in `models`."""

    train: Store
    models: Store


@dataclass(frozen=True, slots=True)
class BaseOrder:
    """How the base of the speed layer is made: in the unit of its learner, without what tells entities apart.

    It becomes active `lead_ms` after it was made.
    """

    kind: Kind
    entity_paths: tuple[str, ...]
    lead_ms: int


@dataclass(frozen=True, slots=True)
class Order:
    """A request and how its model is trained; ids of decisions more than `max_clock_skew_ms` ahead are bad rows.

    `base` None: none is made.
    """

    request: RetrainRequest
    training: TrainingSettings
    gate: GateSettings
    held_out_share: float
    max_clock_skew_ms: int
    base: BaseOrder | None = None
    with_coreml: bool = False
    force: bool = False

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.request.model
