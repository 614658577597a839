"""Pictures of quality: the metric over event time, as learned and as served, and calibration."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from jobs.report.data import Scores
from jobs.report.drawing import (
    ACCENT,
    INK,
    MUTED,
    SECOND,
    event_time_axis,
    legend_above,
    metric_text,
    svg_of,
    times,
)
from jobs.report.picture import Picture
from jobs.report.quality import (
    CALIBRATION_BINS,
    SMALLEST_WINDOW,
    Calibration,
    Rolling,
    calibration,
    quality,
    rolling,
)
from jobs.summary import LAST

__all__ = ["AS_SERVED", "NO_BASE", "calibration_picture", "has_base", "has_served", "quality_picture"]

NO_SCORES = "No scores: the run was not asked for them (run it with --scores FILE)."
AS_SERVED = (
    "As served: each decision scored by what a reader of the bucket had when it was made, as the settings have it "
    "published (out_of_orderness after the end of a publish interval)."
)
NO_BASE = "This run has no base model: without the entity models all decisions score the same, and an AUC is 0.5."


def has_base(scores: Scores) -> bool:
    """Whether the scores without the entity models tell decisions apart."""
    return bool(len(scores.base) and np.ptp(scores.base) > 0)


def has_served(scores: Scores) -> bool:
    """Whether the served scores of some decisions are known."""
    return bool(np.isfinite(scores.served).any())


def quality_picture(scores: Scores | None, *, logistic: bool, name: str) -> Picture:
    """The metric of a rolling window over event time, with and without the entity models."""
    metric = "AUC" if logistic else "RMSE"
    title = f"Progressive {metric} over event time"
    if scores is None or not len(scores.label):
        return Picture(title, NO_SCORES)
    if logistic and np.ptp(scores.label) == 0:
        only = "positive" if scores.label[0] > 0 else "negative"
        return Picture(title, f"All {len(scores.label):,} decisions are {only}: an AUC needs both classes.")
    curve = rolling(scores, logistic=logistic)
    if curve is None:
        return Picture(title, _too_few(len(scores.label)))

    def draw(axes: Axes) -> None:
        _draw_curve(axes, curve)
        if len(scores.label) > LAST:
            _draw_mark(axes, scores.last(LAST), name="last", logistic=logistic)
        _draw_mark(axes, scores, name="all", logistic=logistic)
        event_time_axis(axes, "time of the decision (UTC)")
        axes.set_ylabel("AUC" if logistic else "RMSE (units of the reward)")
        legend_above(axes)

    caption = (
        f"Each point is the {metric} of the {curve.window:,} decisions up to then, scored at learn time with "
        "and without the entity models; the band is its 95\u00a0% interval."
    )
    served = f" {AS_SERVED}" if has_served(scores) else ""
    no_base = "" if has_base(scores) or not logistic else f" {NO_BASE}"
    return Picture(title, caption + served + no_base, svg_of(draw, name=f"{name} quality", description=title))


def _too_few(count: int) -> str:
    return f"Too few decisions for a curve: {count:,} were scored, {5 * SMALLEST_WINDOW:,} are needed."


def _draw_curve(axes: Axes, curve: Rolling) -> None:
    x = times(curve.time_ms)
    axes.fill_between(x, curve.entity - curve.error, curve.entity + curve.error, color=ACCENT, alpha=0.15)
    axes.plot(x, curve.entity, color=ACCENT, label="with entity models")
    if not np.isnan(curve.served).all():
        axes.plot(x, curve.served, color=ACCENT, linestyle=(0, (4, 2)), linewidth=1.2, label="as served")
    axes.plot(x, curve.base, color=SECOND, label="without")


def _draw_mark(axes: Axes, scores: Scores, *, name: str, logistic: bool) -> None:
    """A level line over the time of the scores, at their metric with the entity models."""
    value = quality(scores, logistic=logistic)
    label = f"{name} {value.decisions:,}: {metric_text(value.entity)} vs {metric_text(value.base)}"
    ends = times([scores.time_ms[0], scores.time_ms[-1]])
    style = ":" if name == "all" else "--"
    axes.plot(ends, [value.entity] * 2, color=INK, linestyle=style, linewidth=1.2, label=label)


def calibration_picture(scores: Scores | None, *, name: str) -> Picture:
    """The observed rate of positives against the learn-time probability, of the newest decisions."""
    title = "Calibration"
    if scores is None or not len(scores.label):
        return Picture(title, NO_SCORES)
    newest = scores.last(LAST)
    bins = calibration(newest)
    if bins is None:
        count = f"{len(newest.label):,} were scored, {10 * CALIBRATION_BINS} are needed"
        return Picture(title, f"Too few decisions to compare rates: {count}.")
    which = "all" if len(newest.label) == len(scores.label) else "the last"
    caption = (
        f"How often a positive reward followed, by learn-time probability: {which} {len(newest.label):,} "
        f"decisions in {len(bins.rate)} equal groups with 95\u00a0% intervals; on average a group is "
        f"{bins.gap:.3f} off the diagonal."
    )
    svg = svg_of(lambda axes: _draw_bins(axes, bins), name=f"{name} calibration", description=title)
    return Picture(title, caption, svg)


def _draw_bins(axes: Axes, bins: Calibration) -> None:
    low = max(min(bins.probability.min(), bins.low.min()) - 0.02, 0.0)
    high = min(max(bins.probability.max(), bins.high.max()) + 0.02, 1.0)
    axes.plot([low, high], [low, high], color=MUTED, linestyle="--", linewidth=1.0, label="perfectly calibrated")
    axes.vlines(bins.probability, bins.low, bins.high, color=ACCENT, alpha=0.5, linewidth=1.6)
    axes.plot(bins.probability, bins.rate, "o", color=ACCENT, markersize=4.5, label="observed, 95\u00a0% interval")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel("learn-time probability of a positive reward")
    axes.set_ylabel("observed rate")
    legend_above(axes)
