"""The second model of a retraining: the base that the speed layer adds its entities' coefficients to (DESIGN §6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jobs.retrain.display import Display
from jobs.retrain.model_archive import ModelArchive
from jobs.retrain.order import BaseOrder, Order
from lambda_learner.publish.bases import BaseEntry, read_base_log
from lambda_learner.publish.store import Store
from lambda_learner.retrain.activation import activate_base
from lambda_learner.retrain.base import TrainedBase, train_base
from lambda_learner.retrain.errors import RetrainError

__all__ = ["make_base"]


def make_base(  # noqa: PLR0913 - an order, its buckets, the time and the display
    order: Order,
    base: BaseOrder,
    archive: ModelArchive,
    models: Store,
    *,
    now: Callable[[], datetime],
    show: Display,
) -> dict[str, Any]:
    """Train a base on all but the newest decisions, calibrate it on these, and activate it; as JSON has it.

    Idempotent: a request that has activated its base makes no second one. Where none can be made, the reason.
    """
    version = order.request.request_id
    for entry in read_base_log(models, order.model).entries:
        if entry.version == version:
            return _told(entry)
    try:
        trained = _trained(order, base, archive, now=now(), show=show)
    except (RetrainError, OSError) as error:  # the model is published: a full disk must not fail its request
        return {"reason": str(error)}
    if trained is None:
        return {"reason": "there are no decisions"}
    now_ms = int(now().timestamp() * 1000)
    activated = activate_base(models, trained, now_ms=now_ms, lead_ms=base.lead_ms)
    if activated is None:
        return {"reason": "a base of newer decisions is there already"}
    return _told(activated)


def _trained(
    order: Order, base: BaseOrder, archive: ModelArchive, *, now: datetime, show: Display
) -> TrainedBase | None:
    parts = archive.parted()
    if parts is None:
        return None
    return train_base(
        parts.older,
        [parts.held_out],
        order.training,
        model=order.model,
        version=order.request.request_id,
        kind=base.kind,
        entity_paths=base.entity_paths,
        now=now,
        report=lambda stage, done, total: show(f"base: {stage}", done, total),
    )


def _told(entry: BaseEntry) -> dict[str, Any]:
    return dict(entry._asdict())
