"""What a reader of the bucket had when a decision was made, and how that scores it.

A state that a window ending at C made is in the delta of the publish interval that C is in, which ends at

    E = C, rounded up to the publish interval

and is written when the watermark has come to E: readers have it from E + out_of_orderness on. Of several states of one
interval they get the last alone. That is the rule of a job that keeps up, told by event time: it needs no clock, so a
replay and a restart say the same. What it leaves out: a job that was down has published later, and a decision made
within its window of a change of base was served with the base before, whose offset is not known any more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from lambda_learner.events.ksuid import unix_seconds
from lambda_learner.learn.base_change import state_under_base
from lambda_learner.learn.score import margin, mean_coefficients
from lambda_learner.learn.state import CoefficientPrior, EntityState, Example

__all__ = ["FROM_THE_START_MS", "Readers", "decision_time_ms", "newest_readable", "outdated", "served_score"]

FROM_THE_START_MS: Final = 0  # when nothing became readable: before the first state of an entity
MS: Final = 1000


class Readers(NamedTuple):
    """The settings that say when a reader has a state, in ms: `stream.out_of_orderness` and `publish_interval`."""

    out_of_orderness_ms: int
    publish_interval_ms: int

    def have_from(self, close_ms: int) -> int:
        """The event time in ms from which on readers have what the window that ends at `close_ms` has taught."""
        return -(-close_ms // self.publish_interval_ms) * self.publish_interval_ms + self.out_of_orderness_ms


def decision_time_ms(decision_id: str) -> int:
    """When a decision was made, by its id; ValueError if it is no KSUID."""
    return unix_seconds(decision_id) * MS


def newest_readable(times_ms: Sequence[int], at_ms: int) -> int | None:
    """Of the times from which on states are readable, in order, the last by `at_ms`; None if all are later."""
    place = bisect_right(times_ms, at_ms)
    return times_ms[place - 1] if place else None


def outdated(times_ms: Sequence[int], earliest_ms: int) -> Sequence[int]:
    """Those of the times, in order, whose states no decision of `earliest_ms` or later was served by."""
    return times_ms[: max(bisect_right(times_ms, earliest_ms) - 1, 0)]


def served_score(
    example: Example, state: EntityState | None, prior: CoefficientPrior, *, generation: str, base_version: str
) -> float:
    """The score of an example by a state that a reader had, None if it had none; its offset is the example's.

    `base_version` is that of the base that gave the offset: a state of another is carried over, as a reader does. A
    state of another generation counts for nothing.
    """
    known = state if state is not None and state.generation == generation else None
    known = state_under_base(known, prior, active=base_version)
    if known is None:
        return margin(example.features, mean_coefficients((), None, prior), offset=example.offset)
    return margin(example.features, mean_coefficients(known.names, known.posterior, prior), offset=example.offset)
