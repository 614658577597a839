"""Whether a candidate model may take the place of the incumbent: non-inferiority by paired differences (DESIGN §6).

A candidate passes where the lower end of its gain's interval is above -margin: worse by more than the margin is then
as unlikely as the interval says. A comparison whose effective sample size is too small says neither yes nor no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lambda_learner.evaluation.influence import Comparison

__all__ = ["GateDecision", "GateSettings", "decide", "held_out_from_ms"]

Outcome = Literal["publish", "refuse", "undecided"]


class GateSettings(NamedTuple):
    """How sure the gate must be.

    The margin is `margin`, in the unit of the values compared, or the share `margin_share` of the incumbent's own
    value, whichever is more. `on_undecided` says what becomes of a candidate that too few decisions speak of: `publish`
    it, or `keep` the incumbent.
    """

    margin: float = 0.0
    margin_share: float = 0.05
    min_effective_size: float = 100.0  # below it the normal approximation of a weighted mean's interval is poor
    on_undecided: Literal["publish", "keep"] = "publish"

    def margin_at(self, incumbent: float) -> float:
        """The margin against an incumbent of this value."""
        return max(self.margin, self.margin_share * abs(incumbent))


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What the gate says, why, and the numbers that it says it from.

    `outcome` is what the numbers say; `publishes` is what is to be done, which `on_undecided` and force have a part in.
    """

    outcome: Outcome
    publishes: bool
    reason: str
    comparisons: tuple[Comparison, ...]
    settings: GateSettings
    forced: bool = False

    def as_fields(self) -> Mapping[str, Any]:
        """The decision as a JSON object; None for numbers that are not finite."""
        return {
            "outcome": self.outcome,
            "publishes": self.publishes,
            "reason": self.reason,
            "forced": self.forced,
            "comparisons": [dict(comparison.as_fields()) for comparison in self.comparisons],
            "settings": self.settings._asdict(),
        }


def decide(
    comparisons: Sequence[Comparison], settings: GateSettings, *, has_incumbent: bool = True, force: bool = False
) -> GateDecision:
    """Judge a candidate by all of its comparisons with the incumbent: it must pass each of them.

    One that fails refuses, else one with too small an effective size leaves it undecided. Without an incumbent there
    is nothing to lose: publish. `force` publishes whatever the numbers say, which are kept.
    """
    outcome, reason = _outcome(comparisons, settings, has_incumbent=has_incumbent)
    publishes = outcome == "publish" or (outcome == "undecided" and settings.on_undecided == "publish")
    forced = force and not publishes
    return GateDecision(outcome, publishes or force, reason, tuple(comparisons), settings, forced)


def held_out_from_ms(decision_ms: npt.NDArray[np.int64], share: float, *, seen_through_ms: int | None = None) -> int:
    """Where the newest time slice begins: the time from which on decisions are kept for the gate.

    It holds the newest `share` of the decisions, less where the incumbent has seen some of them (`seen_through_ms`, the
    last decision that trained it): what neither model has seen. ValueError without decisions or for another share.
    """
    if not 0.0 < share < 1.0 or not len(decision_ms):
        message = f"share must be between 0 and 1 and there must be decisions, got {share} of {len(decision_ms)}"
        raise ValueError(message)
    place = min(int(len(decision_ms) * (1.0 - share)), len(decision_ms) - 1)
    begin = int(np.partition(decision_ms, place)[place])
    return begin if seen_through_ms is None else max(begin, seen_through_ms + 1)


def _outcome(comparisons: Sequence[Comparison], settings: GateSettings, *, has_incumbent: bool) -> tuple[Outcome, str]:
    if not has_incumbent:
        return "publish", "there is no incumbent"
    if not comparisons:
        return "undecided", "nothing could be compared: no held-out decisions"
    judged = [_judged(comparison, settings) for comparison in comparisons]
    for wanted in ("refuse", "undecided"):
        for outcome, reason in judged:
            if outcome == wanted:
                return outcome, reason
    return "publish", "; ".join(reason for _, reason in judged)


def _judged(comparison: Comparison, settings: GateSettings) -> tuple[Outcome, str]:
    size, least = comparison.effective_size, settings.min_effective_size
    if not size >= least:
        return "undecided", f"{comparison.name}: effective sample size {size:.1f} is below {least:g}"
    margin = settings.margin_at(comparison.incumbent)
    numbers = f"{comparison.name}: gain {comparison.gain:.6g}, interval {comparison.low:.6g} to {comparison.high:.6g}"
    if comparison.low > -margin or (comparison.low == comparison.high == 0.0):
        return "publish", f"{numbers}, above the margin of {-margin:.6g}"
    known = "worse by more than" if comparison.high < -margin else "not shown to be no worse by"
    return "refuse", f"{numbers}: {known} the margin of {margin:.6g}"
