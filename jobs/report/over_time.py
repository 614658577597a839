"""Counters over event time: in bins of a round number of minutes, few enough to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jobs.report.data import Floats
from operators.counts import CountKey

__all__ = ["OverTime", "bins_of", "over_time"]

STEPS_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 40_320)
MAX_BINS = 120  # of a picture over time
FAR_SHARE = 0.0005  # of the lines at either end may be left out where they alone would stretch the picture …
STRETCH = 3  # … to more than so many times the range of the others


class OverTime(NamedTuple):
    """Counts by equal bins of event time (`edges_ms` has one more) and how many lie outside."""

    step_minutes: int
    edges_ms: Floats
    counts: dict[str, Floats]
    outside: int


def over_time(sums: Mapping[CountKey, int], names: Sequence[str]) -> OverTime | None:
    """Add up counters of all models in bins of a round number of minutes; None if there are none."""
    by_name: dict[str, Counter[int]] = {name: Counter() for name in names}
    for (minute_ms, _, name), n in sums.items():
        if minute_ms > 0 and name in by_name:
            by_name[name][minute_ms] += n
    everything = sum(by_name.values(), Counter[int]())
    if not everything:
        return None
    low, high = _range_of_most(everything)
    step, edges = bins_of(low, high)
    counts = {name: _histogram(counter, edges) for name, counter in by_name.items()}
    inside = sum(int(column.sum()) for column in counts.values())
    return OverTime(step, edges, counts, everything.total() - inside)


def bins_of(low_ms: int, high_ms: int) -> tuple[int, Floats]:
    """The minutes of a bin, and the edges of bins that cover both minutes."""
    minutes = (high_ms - low_ms) // 60_000 + 1
    step = next((s for s in STEPS_MINUTES if minutes <= s * MAX_BINS), -(-minutes // MAX_BINS))
    width = step * 60_000
    start = low_ms // width * width
    return step, np.arange(start, high_ms + width + 1, width, dtype=np.float64)


def _range_of_most(counts: Counter[int]) -> tuple[int, int]:
    minutes = sorted(counts)
    share = np.cumsum([counts[minute] for minute in minutes]) / counts.total()
    low = minutes[int(np.searchsorted(share, FAR_SHARE))]
    high = minutes[min(int(np.searchsorted(share, 1 - FAR_SHARE)), len(minutes) - 1)]
    stretched = minutes[-1] - minutes[0] > STRETCH * (high - low)
    return (low, high) if stretched else (minutes[0], minutes[-1])


def _histogram(counter: Counter[int], edges: Floats) -> Floats:
    minutes = np.array(list(counter), dtype=np.float64)
    numbers = np.array(list(counter.values()), dtype=np.float64)
    return np.asarray(np.histogram(minutes, bins=edges, weights=numbers)[0], dtype=np.float64)
