"""One section of the page: headline numbers, pictures and tables of one run, ready for the template."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jobs.report.counters import MEANINGS, Identity, identities, late_rows_check, was_stopped
from jobs.report.data import ReportInput, RunData, Scores
from jobs.report.freshness import Freshness, freshness, is_live
from jobs.report.headline import Tile, tiles
from jobs.report.picture import Picture
from jobs.report.plots_freshness import freshness_over_time_picture, freshness_picture
from jobs.report.plots_quality import AS_SERVED, calibration_picture, has_served, quality_picture
from jobs.report.plots_stream import counters_picture, records_picture, steps_picture
from jobs.report.quality import as_served

__all__ = ["ModelRow", "Section", "build_section"]

MODELS_DRAWN = 3  # with most examples; the table has all
METRICS = {"log_loss": True, "rmse": False}  # whether a model with it is logistic


class ModelRow(NamedTuple):
    """The progressive metrics of one model over the whole run."""

    model: str
    scored: int
    metrics: tuple[tuple[str, float | None, float | None, float | None], ...]  # name, as learned, as served, without


class CounterRow(NamedTuple):
    """One counter with its meaning; `value` None if the summary has none."""

    name: str
    value: int | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """All that the template shows of one run."""

    key: str
    title: str
    note: str
    tiles: tuple[Tile, ...]
    pictures: tuple[Picture, ...]
    models: tuple[ModelRow, ...]
    identities: tuple[Identity, ...]
    stopped: bool
    late_difference: int | None
    late_rows: int
    counters: tuple[CounterRow, ...]
    settings: tuple[tuple[str, str], ...]
    unreadable: int
    served: str  # what "as served" means; empty where it is not known


def build_section(source: ReportInput, data: RunData, *, key: str) -> Section:
    """Draw and count one run; `key` is unique on the page."""
    kinds = kinds_of(source.summary, data.scores)
    live = is_live(source, data.publications)
    delays = freshness(data.publications, live=live)
    return Section(
        key=key,
        title=source.title,
        note=source.note,
        tiles=tuple(tiles(source, data, kinds, delays=delays, live=live)),
        pictures=tuple(_pictures(data, kinds, delays, live=live, key=key)),
        models=tuple(_model_rows(source.summary, data.scores, kinds)),
        identities=tuple(identities(source.summary)),
        stopped=was_stopped(source.summary),
        late_difference=late_rows_check(source.summary, data.late_rows),
        late_rows=data.late_rows,
        counters=tuple(CounterRow(name, source.summary.get(name), text) for name, text in MEANINGS.items()),
        settings=tuple(_flattened(source.settings or {})),
        unreadable=data.unreadable,
        served=AS_SERVED if any(map(has_served, data.scores.values())) else "",
    )


def kinds_of(summary: Mapping[str, Any], scores: Mapping[str, Scores]) -> dict[str, bool]:
    """Whether each model is logistic: by its metrics, else by its labels, which are -1 and 1."""
    kinds = {model: bool(np.isin(columns.label, (-1.0, 1.0)).all()) for model, columns in scores.items()}
    for model, metrics in _progressive(summary).items():
        known = [logistic for name, logistic in METRICS.items() if name in metrics]
        kinds[model] = known[0] if known else kinds.get(model, True)
    return kinds


def _pictures(
    data: RunData, kinds: Mapping[str, bool], delays: Freshness | None, *, live: bool, key: str
) -> Iterator[Picture]:
    drawn = list(data.scores)[:MODELS_DRAWN]
    for place, model in enumerate(drawn):
        name = f"{key} {place}"
        yield _of_model(quality_picture(data.scores[model], logistic=kinds[model], name=name), model, drawn)
        if kinds[model]:
            yield _of_model(calibration_picture(data.scores[model], name=name), model, drawn)
    if not drawn:
        yield quality_picture(None, logistic=all(kinds.values()), name=key)
        yield calibration_picture(None, name=key)
    yield counters_picture(data.counts, name=key)
    yield freshness_picture(delays, live=live, name=key)
    if live:
        yield freshness_over_time_picture(delays, name=key)
    yield records_picture(data.counts, name=key)
    yield steps_picture(data.counts, unit=_unit(kinds), name=key)


def _of_model(picture: Picture, model: str, drawn: list[str]) -> Picture:
    return picture if len(drawn) == 1 else picture._replace(title=f"{picture.title}: {model}")


def _unit(kinds: Mapping[str, bool]) -> str:
    if len(set(kinds.values())) > 1:
        return "log-odds, or units of the reward"
    return "units of the reward" if kinds and not any(kinds.values()) else "log-odds"


def _progressive(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    models = summary.get("models") or {}
    return {model: entry.get("progressive") or {} for model, entry in models.items()}


def _model_rows(
    summary: Mapping[str, Any], scores: Mapping[str, Scores], kinds: Mapping[str, bool]
) -> Iterator[ModelRow]:
    names = {"auc": "AUC", "log_loss": "log loss (nats)", "rmse": "RMSE"}
    for model, metrics in _progressive(summary).items():
        served = as_served(scores[model], logistic=kinds[model]) if model in scores else {}
        found = (
            (title, metrics[name], _known(served.get(name)), metrics.get(f"{name}_base"))
            for name, title in names.items()
            if name in metrics
        )
        yield ModelRow(model, int(metrics.get("count", 0)), tuple(found))


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield (
                f"{prefix}{name}",
                ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value),
            )
