"""How far the app's reward has come from what chance brings towards the best possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from jobs.demo_kafka.app import By, Outcome

__all__ = ["MIN_S", "Bin", "Means", "bins_of", "first", "has_risen", "last", "means_of", "since"]

RECENT_S: Final = 30.0  # over which a mean is taken: some thousand visits
MIN_S: Final = 120.0  # for which it goes on at least: to be seen to stay
# Of the way from chance to the best. Regulars get further, as each has a model of their own; of those who are new there
# are few visits, so the share is uncertain by 0.1.
REGULARS_SHARE: Final = 0.5
NEW_SHARE: Final = 0.25


class Means(NamedTuple):
    """Means over some visits; by_chance and best: what was to be expected of a random and of the best choice."""

    visits: int
    reward: float
    by_chance: float
    best: float

    @property
    def share(self) -> float:
        """The share of the way from chance to the best possible; below 0 if worse than chance."""
        return (self.reward - self.by_chance) / (self.best - self.by_chance)


class Bin(NamedTuple):
    """The means of some seconds; None where nobody came."""

    from_s: float
    regulars: Means | None
    new: Means | None


def means_of(outcomes: Iterable[Outcome]) -> Means | None:
    """The means; None of no visits."""
    rows = list(outcomes)
    if not rows:
        return None
    sums = (sum(column) for column in zip(*((row.reward, row.by_chance, row.best) for row in rows), strict=True))
    return Means(len(rows), *(total / len(rows) for total in sums))


def first(outcomes: Iterable[Outcome], *, is_new: bool) -> Means | None:
    """The means of the visits that chance alone has chosen for: those before anything was published."""
    return means_of(row for row in outcomes if row.is_new == is_new and row.by == "chance")


def since(outcomes: Iterable[Outcome], by: By) -> float | None:
    """The time of the first choice of that kind; None if there was none."""
    return next((row.at_s for row in outcomes if row.by == by), None)


def last(outcomes: Sequence[Outcome], *, is_new: bool) -> Means | None:
    """The means of the newest half minute."""
    if not outcomes:
        return None
    since_s = outcomes[-1].at_s - RECENT_S
    return means_of(row for row in outcomes if row.is_new == is_new and row.at_s > since_s)


def has_risen(outcomes: Sequence[Outcome]) -> bool:
    """Whether the reward of both kinds of people is, of late, as far above chance as can be seen at a glance."""
    if not outcomes or outcomes[-1].at_s < MIN_S:
        return False
    regulars, new = last(outcomes, is_new=False), last(outcomes, is_new=True)
    return regulars is not None and new is not None and regulars.share >= REGULARS_SHARE and new.share >= NEW_SHARE


def bins_of(outcomes: Iterable[Outcome], step_s: float) -> list[Bin]:
    """The means by bins of time, without gaps, from 0 on; the last one only where it is whole or the only one."""
    rows: dict[int, list[Outcome]] = {}
    for row in outcomes:
        rows.setdefault(int(row.at_s // step_s), []).append(row)
    number = max(*rows, 1) if rows else 0
    return [_bin(place * step_s, rows.get(place, ())) for place in range(number)]


def _bin(from_s: float, rows: Sequence[Outcome]) -> Bin:
    regulars, new = (means_of(row for row in rows if row.is_new == is_new) for is_new in (False, True))
    return Bin(from_s, regulars, new)
