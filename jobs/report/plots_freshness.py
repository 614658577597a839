"""Pictures of freshness: the distribution of the delays, and the delays over time."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from jobs.report.drawing import (
    ACCENT,
    INK,
    SECOND,
    event_time_axis,
    legend_above,
    seconds_text,
    svg_of,
    times,
)
from jobs.report.freshness import Freshness, freshness_by_time
from jobs.report.picture import Picture

__all__ = ["freshness_over_time_picture", "freshness_picture"]

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
POINTS = 200  # of the curve
LOG_SPREAD = 20.0  # the greatest delay over the median from which on the axis is logarithmic
NOTHING = (
    "Nothing was published with its delay: no window has closed yet, the run is of an older version, or all was "
    "published before a restart."
)


def freshness_picture(delays: Freshness | None, *, live: bool, name: str) -> Picture:
    """The share of updates that were readable within a delay."""
    title = "Freshness"
    if delays is None:
        return Picture(title, NOTHING)
    if live:
        shows = (
            "The share of updated entities whose coefficients were readable within so long of their window's "
            "close; the wait for stragglers and for the next publication is in it."
        )
    else:
        shows = (
            "The share of publications that were readable within so long of the learner's oldest update in "
            "them. A replay runs faster than its events came: this is the job's own time, not the news' age."
        )
    svg = svg_of(lambda axes: _draw_shares(axes, delays, live=live), name=f"{name} freshness", description=title)
    return Picture(title, shows, svg)


def _draw_shares(axes: Axes, delays: Freshness, *, live: bool) -> None:
    shares = np.linspace(0.0, 1.0, POINTS + 1)
    seconds = np.array([delays.quantile(share) for share in shares])
    axes.fill_between(seconds, shares, step="post", color=ACCENT, alpha=0.15)
    axes.step(seconds, shares, where="post", color=ACCENT)
    for label, share in QUANTILES.items():
        at = delays.quantile(share)
        axes.plot([at], [share], "o", color=INK, markersize=4)
        text = f"{label}: {seconds_text(at)}"
        axes.annotate(text, (at, share), xytext=(7, -4), textcoords="offset points", va="top")
    _delay_axis(axes, seconds)
    axes.set_xlabel("window close → readable" if live else "learner had the update → readable")
    axes.set_ylabel("share of updates" if live else "share of publications")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _delay_axis(axes: Axes, seconds: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    low, middle, high = float(seconds[0]), float(np.median(seconds)), float(seconds[-1])
    if low > 0 and high > LOG_SPREAD * middle:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.3, high * 4)
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(min(low, 0.0), max(high, 0.0) * 1.3 or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds_text(value)))


def freshness_over_time_picture(delays: Freshness | None, *, name: str) -> Picture:
    """The delays of a live stream by the time of publication."""
    title = "Freshness over time"
    if delays is None:
        return Picture(title, NOTHING)
    bins = freshness_by_time(delays)

    def draw(axes: Axes) -> None:
        x = times([b.time_ms for b in bins])
        marker = "o" if len(bins) == 1 else ""
        axes.plot(x, [b.p99 for b in bins], color=SECOND, marker=marker, label="p99")
        axes.plot(x, [b.p50 for b in bins], color=ACCENT, marker=marker, label="p50")
        axes.set_ylim(bottom=min(0.0, *(b.p50 for b in bins)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: seconds_text(value)))
        event_time_axis(axes, "time of publication (UTC)")
        axes.set_ylabel("window close → readable")
        legend_above(axes)

    caption = (
        "Of the entities published at a time, half were readable within the lower line's delay of their "
        "window's close, 99\u00a0% within the upper one's."
    )
    return Picture(title, caption, svg_of(draw, name=f"{name} freshness over time", description=title))
