"""Bases for tests: trained on simulated rows, put into a store, and activated when a test wants it."""

from __future__ import annotations

from functools import cache
from typing import Any

from lambda_learner.learn.losses import Kind
from lambda_learner.publish.bases import BaseEntry, activate
from lambda_learner.publish.store import Store
from lambda_learner.retrain.base import TrainedBase, train_base
from lambda_learner.retrain.settings import TrainingSettings
from tests.harness.archived_rows import plain_rows, table
from tests.harness.training import NOW

GENRES = ("rock", "jazz", "pop")  # what `plain_rows` are of, with an hour as context
KEY = "models/base/any/file.xgb.gz"  # a log may name any object


@cache
def trained_base(version: str = "b1", *, kind: Kind = "logistic", decisions: int = 600, **settings: Any) -> TrainedBase:
    """A small base of genres and hours; other versions have other seeds, so other scores of unseen strings."""
    rows = plain_rows(decisions, seed=len(version) + ord(version[-1]))
    cut = decisions * 3 // 4
    return train_base(
        [table(rows[:cut])],
        [table(rows[cut:])],
        TrainingSettings(**{"max_trees": 10, "tree_depth": 3, **settings}),
        model="m",
        version=version,
        kind=kind,
        entity_paths=("context.user",),
        now=NOW,
    )


def put_base(  # noqa: PLR0913 - an entry's fields, each with its default
    store: Store,
    version: str = "b1",
    *,
    active_from_ms: int,
    trained_through_ms: int = 0,
    kind: Kind = "logistic",
    constant: float | None = None,
    model: str = "m",
) -> BaseEntry:
    """Put a base, or the constant one, and activate it at any time; its entry."""
    base = trained_base(version, kind=kind)
    key, numbers = f"models/base/{model}/{version}.xgb.gz", tuple(base.calibration)
    if constant is None:
        store.put(key, base.model_file)
    else:
        key, numbers = "", (constant, 0.0)
    entry = BaseEntry(version, key, kind, active_from_ms, trained_through_ms, *numbers)
    activate(store, model, entry, now_ms=0, min_lead_ms=0)
    return entry
