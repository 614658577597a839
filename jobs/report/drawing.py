"""Figures as inline SVG whose colours are the page's, so that one drawing serves light and dark."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC
from io import BytesIO
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import dates as untyped_dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

__all__ = [
    "ACCENT",
    "GRID",
    "INK",
    "MUTED",
    "NONE",
    "SECOND",
    "count_text",
    "event_time_axis",
    "legend_above",
    "metric_text",
    "seconds_text",
    "svg_of",
    "thousands",
    "times",
]

NONE = "–"  # in place of a number
# Colours that stand for the page's CSS variables: they are replaced in the SVG's text.
INK, MUTED, GRID, ACCENT, SECOND = (f"#01010{digit}" for digit in range(1, 6))
_VARIABLES: Final = {INK: "ink", MUTED: "muted", GRID: "grid", ACCENT: "accent", SECOND: "second"}
_SIZE_INCHES: Final = (
    4.8,
    3.0,
)  # 346 × 216 units: about a phone's width, so that text of 9.5 stays readable there
dates: Any = untyped_dates  # strict mypy refuses calls of what has no types
SHORT_DAYS = 2.0
SECONDS_SHOWN_DAYS = 10 / (24 * 60)  # within ten minutes
_STYLE: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the layout is the same on each machine
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.color": GRID,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 9.5,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
}
_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_GROUP_ID = re.compile(r'<g id="[^"]*"')
_SIZE = re.compile(r'<svg ([^>]*?)width="[^"]*"([^>]*?)height="[^"]*"|<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"')


def svg_of(draw: Callable[[Axes], None], *, name: str, description: str) -> str:
    """The drawing as an <svg> element without fixed size, always the same; `name` keeps its ids apart."""
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        draw(figure.add_subplot())
        file = BytesIO()
        figure.savefig(file, format="svg", metadata=_NO_METADATA)
    return _inline(file.getvalue().decode(), description)


def _inline(text: str, description: str) -> str:
    """Leave out what only a file of its own needs, and let the page's colours in."""
    text = _METADATA.sub("", _PROLOGUE.sub("", text))
    text = _GROUP_ID.sub("<g", text)  # the same in each drawing; only definitions need theirs
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    label = description.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return _SIZE.sub(
        lambda m: f'<svg role="img" aria-label="{label}" {"".join(g or "" for g in m.groups())}',
        text,
        count=1,
    )


def times(time_ms: ArrayLike) -> Any:
    """Times in ms as matplotlib's dates (days)."""
    return np.asarray(time_ms, dtype=np.float64) / 86_400_000


def event_time_axis(axes: Axes, label: str) -> None:
    """Label the x axis in UTC: with dates, or within two days with times of day and the date in the label."""
    low, high = axes.get_xlim()
    locator = dates.AutoDateLocator(tz=UTC, minticks=2, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    if high - low < SHORT_DAYS:
        form = "%H:%M:%S" if high - low < SECONDS_SHOWN_DAYS else "%H:%M"
        axes.xaxis.set_major_formatter(dates.DateFormatter(form, tz=UTC))
        label = f"{label}, from {dates.num2date(low, tz=UTC):%Y-%m-%d}"
    else:
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=UTC))
    axes.set_xlabel(label)
    axes.grid(visible=False, axis="x")


def legend_above(axes: Axes) -> None:
    """The legend above the drawing, where it hides nothing."""
    figure = axes.figure
    figure.legend(loc="outside upper left", ncols=2, borderaxespad=0.2, handlelength=1.6, columnspacing=1.4)


def thousands(axis: Any) -> None:
    """Write the ticks of an axis with thousands separators."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: count_text(value)))


def count_text(value: float) -> str:
    """A number as people write it: 12,345; fractions with up to three digits."""
    text = f"{value:,.0f}" if value == round(value) else f"{value:,.3g}"
    return text.replace("-", "−")


def metric_text(value: float | None) -> str:
    """A metric with three digits, or a dash where it has no value."""
    return NONE if value is None or math.isnan(value) else f"{value:.3f}"


def seconds_text(seconds: float) -> str:
    """A delay with its unit: 85 ms, 1.35 s, 12.4 s, 4 min."""
    if seconds == 0:
        return "0 s"
    if abs(seconds) < 1:
        return f"{seconds * 1_000:.0f} ms"
    if abs(seconds) < 120:  # noqa: PLR2004 - two minutes read better than 120 s
        return f"{seconds:.3g} s"
    return f"{seconds / 60:,.3g} min"
