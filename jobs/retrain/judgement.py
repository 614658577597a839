"""The gate of one order: a candidate without bootstrap, fitted to all but the newest decisions, is compared there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from jobs.retrain.comparison import Contest, comparisons
from jobs.retrain.display import Display
from jobs.retrain.incumbent import Incumbent, read_incumbent
from jobs.retrain.model_archive import ModelArchive
from jobs.retrain.order import Order
from lambda_learner.evaluation.influence import Comparison
from lambda_learner.publish.model_file import DamagedModel
from lambda_learner.publish.store import Store
from lambda_learner.retrain.errors import NoDecisions, NoFeatures
from lambda_learner.retrain.gate import GateDecision, decide
from lambda_learner.retrain.pipeline import train

__all__ = ["Judgement", "judge"]


class Judgement(NamedTuple):
    """What the gate says, and of which incumbent."""

    gate: GateDecision
    incumbent: Incumbent | DamagedModel | None

    def as_fields(self) -> dict[str, Any]:
        """It as a JSON object."""
        return {"gate": dict(self.gate.as_fields()), "incumbent": _incumbent_fields(self.incumbent)}


def judge(
    order: Order, archive: ModelArchive, models: Store, *, now: Callable[[], datetime], show: Display
) -> Judgement:
    """Whether a model that is trained now may take the place of the latest one.

    Without one, or with a damaged one, there is nothing to lose, and no candidate is trained.
    """
    incumbent = read_incumbent(models, order.model)
    is_there = isinstance(incumbent, Incumbent)
    found = _compared(order, archive, incumbent, now=now, show=show) if isinstance(incumbent, Incumbent) else ()
    return Judgement(decide(found, order.gate, has_incumbent=is_there, force=order.force), incumbent)


def _compared(
    order: Order, archive: ModelArchive, incumbent: Incumbent, *, now: Callable[[], datetime], show: Display
) -> tuple[Comparison, ...]:
    parts = archive.parted(seen_through_ms=incumbent.seen_through_ms)
    if parts is None or not parts.held_out.num_rows:
        return ()
    # The reader has counted the records; and the seeds are not those of the model that is published.
    settings, seeds = replace(order.training, explore=False, max_decision_records=None), order.request.request_id
    try:
        candidate = train(
            parts.older,
            settings,
            model=order.model,
            request_id=f"{seeds}-gate",
            now=now(),
            report=lambda stage, done, total: show(f"gate: {stage}", done, total),
        )
    except (NoDecisions, NoFeatures):
        return ()  # the newest decisions are all that there are
    show("gate: comparing", parts.held_out.num_rows, parts.held_out.num_rows)
    contest = Contest(candidate, settings, incumbent)
    return comparisons(parts.held_out, contest, least_slates=order.gate.min_effective_size)


def _incumbent_fields(incumbent: Incumbent | DamagedModel | None) -> Mapping[str, Any] | None:
    if isinstance(incumbent, Incumbent):
        return {"stem": incumbent.stem, "seen_through_ms": incumbent.seen_through_ms}
    return None if incumbent is None else {"damaged": str(incumbent)}
