"""The headline numbers of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jobs.report.data import ReportInput, RunData
from jobs.report.drawing import count_text, seconds_text
from jobs.report.freshness import Freshness
from jobs.report.quality import quality
from jobs.summary import LAST

__all__ = ["Tile", "tiles"]

NONE = "–"


class Tile(NamedTuple):
    """A number, what it is, and what to compare it with."""

    label: str
    value: str
    detail: str


def tiles(
    source: ReportInput, data: RunData, kinds: Mapping[str, bool], *, delays: Freshness | None, live: bool
) -> Iterator[Tile]:
    """Decisions, rewards, quality, speed and freshness."""
    summary = source.summary
    yield Tile("Decisions", _count(summary.get("decisions")), f"{_count(summary.get('joined'))} joined")
    yield Tile("Rewards", _count(summary.get("rewards")), f"{_count(summary.get('credited'))} credited")
    yield _quality_tile(source, data, kinds)
    pace = (
        "the pace of the stream" if source.live else f"in {seconds_text(float(summary.get('seconds') or 0))}"
    )
    yield Tile("Events a second", _count(summary.get("events_per_second")), pace)
    yield _freshness_tile(delays, live=live)


def _quality_tile(source: ReportInput, data: RunData, kinds: Mapping[str, bool]) -> Tile:
    """Of the model with most examples: of its newest decisions if there are scores, else of the whole run."""
    if data.scores:
        model, scores = next(iter(data.scores.items()))
        newest = scores.last(LAST)
        _, entity, base = quality(newest, logistic=kinds[model])
        which = f"last {len(newest.label):,}" if len(newest.label) < len(scores.label) else "all decisions"
        several = f"{model}: " if len(kinds) > 1 else ""
        return Tile(
            _label(kinds[model], which), _metric(entity), f"{several}{_metric(base)} without entity models"
        )
    for model, entry in (source.summary.get("models") or {}).items():
        metrics = entry.get("progressive") or {}
        name = "auc" if kinds.get(model, True) else "rmse"
        label = _label(kinds.get(model, True), "all decisions")
        several = f"{model}: " if len(kinds) > 1 else ""
        base = _metric(metrics.get(f"{name}_base"))
        return Tile(label, _metric(metrics.get(name)), f"{several}{base} without entity models")
    return Tile("AUC", NONE, "nothing was scored")


def _label(logistic: bool, which: str) -> str:  # noqa: FBT001
    return f"{'AUC' if logistic else 'RMSE'}, {which}"


def _freshness_tile(delays: Freshness | None, *, live: bool) -> Tile:
    if delays is None:
        return Tile("Freshness, p50", NONE, "nothing was published")
    what = "from window close to readable" if live else "from update to readable"
    return Tile(
        "Freshness, p50",
        seconds_text(delays.quantile(0.5)),
        f"p99 {seconds_text(delays.quantile(0.99))}, {what}",
    )


def _count(value: float | None) -> str:
    return NONE if value is None else count_text(value)


def _metric(value: float | None) -> str:
    return NONE if value is None or math.isnan(value) else f"{value:.3f}"
