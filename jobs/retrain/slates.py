"""Decisions that carry more than the protocol asks for: all of their candidates, and the propensity of the choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from lambda_learner.evaluation.off_policy import Slates
from lambda_learner.events import ksuid
from lambda_learner.retrain.block import Floats
from lambda_learner.retrain.rows import COLUMNS
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.targets import rewards_of
from lambda_learner.retrain.weights import logged_propensity

__all__ = ["Slated", "slated"]


class Slated(NamedTuple):
    """Decisions whose candidates are all logged, and one row of the archive's columns for each candidate."""

    slates: Slates
    rows: pa.Table


class _Listed(NamedTuple):
    """A decision: its place among the rows, its candidates as canonical JSON, which of them it chose, how likely."""

    place: int
    candidates: list[str]
    chosen: int
    propensity: float


def slated(rows: pa.Table, settings: TrainingSettings) -> Slated:
    """Those of the rows that log their propensity and all of their candidates, the item among them."""
    rewards = _rewards(rows, settings)
    found = [one for one in _listed(rows) if not np.isnan(rewards[one.place])]
    places = np.array([one.place for one in found], np.int64)
    firsts = np.cumsum([0, *(len(one.candidates) for one in found)], dtype=np.int64)
    chosen = firsts[:-1] + np.array([one.chosen for one in found], np.int64)
    slates = Slates(rewards[places], np.array([one.propensity for one in found], np.float64), firsts, chosen)
    texts = [text for one in found for text in one.candidates]
    return Slated(slates, _exploded(rows.take(pa.array(np.repeat(places, np.diff(firsts)))), texts))


def _listed(rows: pa.Table) -> list[_Listed]:
    names = ("item", "count", "candidates", "propensity")
    if not {*names} <= {*rows.column_names}:
        return []
    found = []
    for place, (item, count, candidates, propensity) in enumerate(
        zip(*(rows[n].to_pylist() for n in names), strict=True)
    ):
        texts, chance = _candidates(candidates), logged_propensity(propensity)
        if chance is not None and len(texts) == count and item in texts:
            found.append(_Listed(place, texts, texts.index(item), chance))
    return found


def _rewards(rows: pa.Table, settings: TrainingSettings) -> Floats:
    seconds = [ksuid.unix_seconds(decision_id) for decision_id in rows["decision_id"].to_pylist()]
    rewards = rewards_of(rows["rewards"].to_pylist(), seconds, settings.reward, settings.late_rewards)
    return np.where(np.isnan(rewards), np.nan, rewards > 0) if settings.binary_rewards else rewards


def _exploded(rows: pa.Table, items: Sequence[str]) -> pa.Table:
    """A row for each candidate, as if it were the only one: so that none is set aside."""
    of_all: dict[str, Any] = {"count": 1.0, "sample": None, "rewards": "{}", "runners_up": None, "propensity": None}
    columns = {name: rows[name] for name in ("decision_id", "context")} | {"item": pa.array(items, pa.string())}
    for name, value in of_all.items():
        columns[name] = pa.array([value] * rows.num_rows, pa.float64() if name == "count" else pa.string())
    return pa.table({name: columns[name] for name in COLUMNS})


def _candidates(text: str | None) -> list[str]:
    """The candidates as canonical JSON, as items are archived."""
    value = None if text is None else orjson.loads(text)
    if not isinstance(value, list):
        return []
    return [orjson.dumps(each, option=orjson.OPT_SORT_KEYS).decode() for each in value]
