"""Pictures of the stream: counters over event time, sizes of updates, freshness."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from jobs.report.drawing import ACCENT, SECOND, event_time_axis, legend_above, svg_of, thousands, times
from jobs.report.over_time import OverTime, over_time
from jobs.report.picture import Picture
from operators.counts import CountKey

__all__ = ["counters_picture", "records_picture", "steps_picture"]

SHOWN = {"decisions": ("decisions", ACCENT), "credited": ("rewards credited", SECOND)}
EXACT_RECORDS = 4  # an update's examples are counted one by one up to so many, then in ranges that double
STEPS_PER_DECADE = 4
NO_UPDATES = "No updates were counted: nothing has been learned yet, or the run is of an older version."


def counters_picture(sums: Mapping[CountKey, int], *, name: str) -> Picture:
    """Decisions and credited rewards by event time."""
    title = "Decisions and rewards over event time"
    counts = over_time(sums, tuple(SHOWN))
    if counts is None:
        return Picture(title, "No decisions or rewards were counted: the stream was empty.")
    outside = f" {counts.outside:,} with times far from the others are left out." if counts.outside else ""
    step = step_text(counts.step_minutes)
    caption = f"How many decisions came in and how many rewards were credited, per {step} of their own time."
    svg = svg_of(lambda axes: _draw_counts(axes, counts), name=f"{name} counters", description=title)
    return Picture(title, caption + outside, svg)


def step_text(minutes: int) -> str:
    """The width of a bin in words."""
    units = ((10_080, "week"), (1440, "day"), (60, "hour"), (1, "minute"))
    size, unit = next((size, unit) for size, unit in units if minutes % size == 0)
    number = minutes // size
    return unit if number == 1 else f"{number} {unit}s"


def _draw_counts(axes: Axes, counts: OverTime) -> None:
    edges = times(counts.edges_ms)
    for place, (counter, (label, colour)) in enumerate(SHOWN.items()):
        values = counts.counts[counter]
        legend = f"{label}: {values.sum():,.0f}"
        if place == 0:
            axes.stairs(values, edges, fill=True, color=colour, alpha=0.18)
        axes.stairs(values, edges, color=colour, linewidth=1.3, label=legend)
    axes.set_ylim(bottom=0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylabel(f"lines per {step_text(counts.step_minutes)}")
    thousands(axes.yaxis)
    event_time_axis(axes, "event time (UTC)")
    legend_above(axes)


def records_picture(sums: Mapping[CountKey, int], *, name: str) -> Picture:
    """How many examples an update learns from."""
    title = "Examples per update"
    bins = _binned(sums, "update_records")
    if not bins:
        return Picture(title, NO_UPDATES)
    total = sum(bins.values())
    caption = f"How many examples each of the {total:,} updates learned: all of one entity in one window."

    def draw(axes: Axes) -> None:
        bars = axes.bar(range(len(bins)), [bins[low] for low in sorted(bins)], color=ACCENT, width=0.72)
        axes.bar_label(bars, [_percent(bins[low] / total) for low in sorted(bins)], padding=2, fontsize=8.5)
        axes.set_xticks(range(len(bins)), [_range_text(low) for low in sorted(bins)])
        axes.margins(y=0.12)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("examples in the update")
        axes.set_ylabel("updates")
        thousands(axes.yaxis)

    return Picture(title, caption, svg_of(draw, name=f"{name} records", description=title))


def steps_picture(sums: Mapping[CountKey, int], *, unit: str, name: str) -> Picture:
    """How far an update moves the posterior mean, in the unit of a score."""
    title = "Step sizes"
    bins = _binned(sums, "update_step")
    if not bins:
        return Picture(title, NO_UPDATES)
    caption = (
        f"How far each of the {sum(bins.values()):,} updates moved its entity's posterior mean, all "
        "coefficients together."
    )

    def draw(axes: Axes) -> None:
        places = np.arange(min(bins), max(bins) + 2)
        edges = 10.0 ** (places / STEPS_PER_DECADE)
        heights = [bins.get(int(k), 0) for k in places[:-1]]
        axes.bar(edges[:-1], heights, width=np.diff(edges) * 0.94, align="edge", color=ACCENT)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"norm of the change of the coefficients ({unit})")
        axes.set_ylabel("updates")
        thousands(axes.yaxis)
        axes.grid(visible=False, axis="x")

    return Picture(title, caption, svg_of(draw, name=f"{name} steps", description=title))


def _binned(sums: Mapping[CountKey, int], family: str) -> dict[int, int]:
    """The counts of `family.{integer}`, over all models."""
    bins: Counter[int] = Counter()
    for (_, _, name), n in sums.items():
        match = re.fullmatch(re.escape(family) + r"\.(-?\d+)", name)
        if match and n > 0:
            bins[int(match[1])] += n
    return dict(bins)


def _range_text(low: int) -> str:
    return str(low) if low <= EXACT_RECORDS else f"{low:,}–{2 * (low - 1):,}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"  # noqa: PLR2004 - below 1 %
