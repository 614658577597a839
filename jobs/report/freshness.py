"""How long until an update was readable, from the lines about publications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jobs.report.counters import was_stopped
from jobs.report.data import Floats, Publication, ReportInput

__all__ = ["Freshness", "TimeBin", "freshness", "freshness_by_time", "is_live"]

LIVE_S = 3_600.0  # a replay of older events publishes later than so long after their windows closed

TIME_BINS = 80  # of a picture over time


class Freshness(NamedTuple):
    """Delays in seconds, each counting for `weight` updates, and when they ended (ms, wall clock)."""

    seconds: Floats
    weight: Floats
    published_at_ms: Floats

    def quantile(self, share: float) -> float:
        """The least delay within which at least that share of the updates was readable."""
        order = np.argsort(self.seconds, kind="stable")
        covered = np.cumsum(self.weight[order])
        # A rounding error above the share must not ask for the next delay.
        place = int(np.searchsorted(covered, share * covered[-1] * (1 - 1e-12)))
        return float(self.seconds[order][min(place, len(order) - 1)])


def is_live(source: ReportInput, publications: Sequence[Publication]) -> bool:
    """Whether the events of a run came as they happened; see `ReportInput`."""
    if source.live is not None:
        return source.live
    delays = freshness(publications, live=True)
    return was_stopped(source.summary) and (delays is None or delays.quantile(0.5) < LIVE_S)


def freshness(publications: Sequence[Publication], *, live: bool) -> Freshness | None:
    """The delays; None if there are none.

    Live: from each window's close to the publication of its entities, each entity counting once. Else: from
    when the oldest update of a publication was learned until it was readable, each publication counting once.

    What was published between a checkpoint and a failure is missing: its line is lost with the part file that it was
    in, and the replay, which finds it in the bucket, tells of none, so that no delay is counted from the wrong time.
    """
    rows: list[tuple[float, float, float]]
    if live:
        rows = [(p.published_at_ms - c, n, p.published_at_ms) for p in publications for c, n in p.closes if n > 0]
    else:
        rows = [(p.waited_ms, 1, p.published_at_ms) for p in publications if p.waited_ms is not None]
    if not rows:
        return None
    delay_ms, weight, published = np.array(rows, dtype=np.float64).T
    return Freshness(delay_ms / 1_000, weight, published)


class TimeBin(NamedTuple):
    """The median and 99th percentile of the delays (seconds) that ended about a time."""

    time_ms: float
    p50: float
    p99: float


def freshness_by_time(delays: Freshness) -> list[TimeBin]:
    """The delays in bins of equal time; bins without any are left out."""
    first, last = float(delays.published_at_ms.min()), float(delays.published_at_ms.max())
    number = min(TIME_BINS, len(np.unique(delays.published_at_ms)))
    place = np.minimum(
        ((delays.published_at_ms - first) / max(last - first, 1.0) * number).astype(np.int64), number - 1
    )
    bins = []
    for k in np.unique(place):
        part = Freshness(*(column[place == k] for column in delays))
        bins.append(TimeBin(float(part.published_at_ms.mean()), part.quantile(0.5), part.quantile(0.99)))
    return bins
