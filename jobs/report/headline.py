"""The headline numbers of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jobs.report.data import ReportInput, RunData
from jobs.report.drawing import NONE, count_text, metric_text, seconds_text
from jobs.report.freshness import Freshness
from jobs.report.quality import quality
from jobs.summary import LAST

__all__ = ["Tile", "tiles"]


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
    yield Tile("Events a second", _count(summary.get("events_per_second")), _pace(summary, live=live))
    yield _freshness_tile(delays, live=live)


def _pace(summary: Mapping[str, Any], *, live: bool) -> str:
    """What the speed is of. The summary of a run that did not end is made afterwards: nobody has timed it."""
    if live:
        return "the pace of the stream"
    seconds = summary.get("seconds")
    return f"in {seconds_text(seconds)}" if seconds else "the run was not timed"


def _quality_tile(source: ReportInput, data: RunData, kinds: Mapping[str, bool]) -> Tile:
    """Of the model with most examples: of its newest decisions if there are scores, else of the whole run."""
    for model, scores in data.scores.items():
        newest = scores.last(LAST)
        value = quality(newest, logistic=kinds[model])
        which = f"last {value.decisions:,}" if value.decisions < len(scores.label) else "all decisions"
        return _compared(model, (value.entity, value.base, value.served), which, kinds=kinds)
    for model, entry in (source.summary.get("models") or {}).items():
        metrics = entry.get("progressive") or {}
        name = "auc" if kinds[model] else "rmse"
        values = metrics.get(name), metrics.get(f"{name}_base"), None
        return _compared(model, values, "all decisions", kinds=kinds)
    return Tile("AUC", NONE, "nothing was scored")


def _compared(
    model: str, values: tuple[float | None, float | None, float | None], which: str, *, kinds: Mapping[str, bool]
) -> Tile:
    """A metric as learned, with and without the entity models, and as served; the last where it is known."""
    metric = "AUC" if kinds[model] else "RMSE"
    several = f"{model}: " if len(kinds) > 1 else ""
    entity, base, served = (metric_text(value) for value in values)
    as_served = "" if served == NONE else f", {served} as served"
    return Tile(f"{metric}, {which}", entity, f"{several}{base} without entity models{as_served}")


def _freshness_tile(delays: Freshness | None, *, live: bool) -> Tile:
    if delays is None:
        return Tile("Freshness, p50", NONE, "no publication is told of")
    what = "from window close to readable" if live else "from update to readable"
    return Tile(
        "Freshness, p50",
        seconds_text(delays.quantile(0.5)),
        f"p99 {seconds_text(delays.quantile(0.99))}, {what}",
    )


def _count(value: float | None) -> str:
    return NONE if value is None else count_text(value)
