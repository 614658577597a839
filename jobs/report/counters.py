"""What the counters mean, the identities that they must keep (DESIGN §3), and their course over event time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jobs.report.data import Floats
from operators.counts import CountKey

__all__ = [
    "IDENTITIES",
    "MEANINGS",
    "Identity",
    "OverTime",
    "bins_of",
    "identities",
    "late_rows_check",
    "over_time",
    "was_stopped",
]

MEANINGS = {
    "lines": "lines read",
    "dead_lettered": "lines refused, kept with the reason",
    "heartbeats": "lines that only move the watermark",
    "decisions": "decision lines",
    "rewards": "reward lines",
    "records": "training record lines",
    "joined": "decisions that their window gave back, one for each id",
    "duplicate_decisions": "further copies of a decision",
    "conflicts": "duplicates that differ from their decision",
    "late_decisions": "decisions that came after their window closed",
    "credited": "rewards added to a decision",
    "duplicate_rewards": "further copies of a reward",
    "after_deadline": "rewards earned after the reward window",
    "orphan_rewards": "rewards whose decision was not in the window",
    "late_rewards": "rewards that came after their window closed",
    "excess_rewards": "credited rewards over the limit for one decision, not added",
    "learned_records": "training records that their window gave back",
    "duplicate_records": "further copies of a training record",
    "late_records": "training records that came after their window closed",
    "no_entity": "decisions without an entity, not learned",
    "already_learned": "decisions of windows at or before the fence, not learned again",
    "updates": "updates of an entity's posterior",
    "non_finite_updates": "updates dropped because a number was not finite",
    "skipped_features": "values that are no usable feature",
    "dropped_features": "features over the limit of an entity",
}
IDENTITIES = (
    ("lines", ("dead_lettered", "heartbeats", "decisions", "rewards", "records")),
    ("decisions", ("joined", "duplicate_decisions", "late_decisions")),
    ("rewards", ("credited", "duplicate_rewards", "after_deadline", "orphan_rewards", "late_rewards")),
    ("records", ("learned_records", "duplicate_records", "late_records")),
)
OPEN = "in_open_windows"  # only in the summary of a run that was stopped
LATE = ("late_decisions", "late_rewards", "late_records")
STEPS_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 40_320)
MAX_BINS = 120  # of a picture over time
FAR_SHARE = 0.0005  # of the lines at either end may be left out where they alone would stretch the picture …
STRETCH = 3  # … to more than so many times the range of the others


class Identity(NamedTuple):
    """A sum that must hold; `difference` is the total less its parts, None if a counter is missing.

    `may_be_open` says that windows were open when the run was stopped: their lines are in the total only.
    """

    total: str
    parts: tuple[str, ...]
    difference: int | None
    negative: tuple[str, ...] = ()
    may_be_open: bool = False

    @property
    def holds(self) -> bool:
        """Whether the sum is right, or lacks no more than what may be in open windows, and no part is below zero."""
        if self.difference is None or self.negative:
            return False
        return self.difference == 0 or (self.may_be_open and self.difference > 0)


class OverTime(NamedTuple):
    """Counts by equal bins of event time (`edges_ms` has one more) and how many lie outside."""

    step_minutes: int
    edges_ms: Floats
    counts: dict[str, Floats]
    outside: int


def was_stopped(summary: Mapping[str, Any]) -> bool:
    """Whether the run was stopped before its input ended."""
    return OPEN in summary


def identities(summary: Mapping[str, Any]) -> list[Identity]:
    """Each identity with the difference of this run."""
    return [_identity(summary, total, parts) for total, parts in IDENTITIES]


def _identity(summary: Mapping[str, Any], total: str, parts: tuple[str, ...]) -> Identity:
    if not {total, *parts} <= summary.keys():
        return Identity(total, parts, None)
    difference = int(summary[total]) - sum(int(summary[part]) for part in parts)
    negative = tuple(part for part in parts if int(summary[part]) < 0)
    return Identity(total, parts, difference, negative, may_be_open=was_stopped(summary) and total != "lines")


def late_rows_check(summary: Mapping[str, Any], late_rows: int) -> int | None:
    """How many more late lines the counters have than the side stream of late rows; None if there is no telling.

    The late counters of a run that was stopped are the side stream's own: nothing to compare.
    """
    if was_stopped(summary) or not set(LATE) <= summary.keys():
        return None
    return sum(int(summary[name]) for name in LATE) - late_rows


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
