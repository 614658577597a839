"""What the counters mean, and the identities that they must keep (DESIGN §3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["IDENTITIES", "MEANINGS", "Identity", "identities", "late_rows_check", "was_stopped"]

MEANINGS = {
    "lines": "lines read",
    "dead_lettered": "lines refused, kept with the reason",
    "heartbeats": "lines that only move the watermark",
    "decisions": "decision lines",
    "rewards": "reward lines",
    "records": "training record lines",
    "forgets": "lines that have an entity forgotten",
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
    "applied_forgets": "forgotten entities, one for each line of an id",
    "duplicate_forgets": "further copies of such a line",
    "late_forgets": "such lines that came after their window closed: without effect, forget again",
    "forgotten": "decisions and records of before an entity was forgotten, not learned",
    "no_entity": "decisions without an entity, not learned",
    "already_learned": "decisions of windows at or before the fence, not learned again",
    "updates": "updates of an entity's posterior",
    "non_finite_updates": "updates dropped because a number was not finite",
    "skipped_features": "values that are no usable feature",
    "dropped_features": "features over the limit of an entity",
}
IDENTITIES = (
    ("lines", ("dead_lettered", "heartbeats", "decisions", "rewards", "records", "forgets")),
    ("decisions", ("joined", "duplicate_decisions", "late_decisions")),
    ("rewards", ("credited", "duplicate_rewards", "after_deadline", "orphan_rewards", "late_rewards")),
    ("records", ("learned_records", "duplicate_records", "late_records")),
    ("forgets", ("applied_forgets", "duplicate_forgets", "late_forgets")),
)
OPEN = "in_open_windows"  # only in the summary of a run that was stopped
LATE = ("late_decisions", "late_rewards", "late_records", "late_forgets")


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
        """Whether the sum is right, or lacks only what may be in open windows, and no part is below zero."""
        if self.difference is None or self.negative:
            return False
        return self.difference == 0 or (self.may_be_open and self.difference > 0)


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
    """How many more late lines the counters have than the side stream of late rows; None if unknown.

    The late counters of a run that was stopped are the side stream's own: nothing to compare.
    """
    if was_stopped(summary) or not set(LATE) <= summary.keys():
        return None
    return sum(int(summary[name]) for name in LATE) - late_rows
