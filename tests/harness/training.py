"""Trains on rows made by `archived_rows`, with the settings of a quick test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lambda_learner.encoding import PathIds
from lambda_learner.retrain import Trained, TrainingSettings, train
from lambda_learner.retrain.dataset import Dataset
from lambda_learner.retrain.draws import Seeds
from lambda_learner.retrain.progress import silent
from lambda_learner.retrain.workplace import Workplace
from tests.harness.archived_rows import table

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Rows = Iterable[Mapping[str, Any]]


def trained(rows: Rows | pa.Table, *, request_id: str = "request", **settings: Any) -> Trained:
    """The model of these rows with 20 trees, unless said otherwise."""
    chosen = TrainingSettings(**{"max_trees": 20, **settings})
    return train([_table(rows)], chosen, model="songs", request_id=request_id, now=NOW)


def read(rows: Rows | pa.Table, **settings: Any) -> tuple[Dataset, Workplace]:
    """The data set of these rows, and what models are made of it with; its spool lives as long as it does."""
    chosen = TrainingSettings(**{"max_trees": 20, **settings})
    place = Workplace(chosen, Seeds.of("songs", "request"), silent)
    dataset = Dataset(place.spool(share=8), PathIds(chosen.max_paths))
    dataset.read([_table(rows)], chosen, draws=place.seeds.draws, hash_seeds=place.hash_seeds)
    return dataset, place


def _table(rows: Rows | pa.Table) -> pa.Table:
    return rows if isinstance(rows, pa.Table) else table(rows)
