"""The app of the demo: chooses for each visit, reports its decision, and some moments later the reward."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np

from jobs.demo_kafka.world import Visit

__all__ = ["App", "By", "Choice", "Chooser", "Outcome", "Reports"]

By = Literal["chance", "coefficients", "model"]  # what has chosen
REWARD_AFTER_S: Final = (0.2, 2.0)  # within the reward window of demo_kafka.yaml, 4 s


class Choice(NamedTuple):
    """The place of the chosen candidate, and what has chosen it."""

    place: int
    by: By


class Chooser(Protocol):
    """Chooses among a visit's candidates; it never looks at their chances."""

    def choose(self, visit: Visit, now_s: float) -> Choice:
        """Give a choice at a time of the demo."""
        ...


class Reports(Protocol):
    """The calls of `lambda_learner.serve.Tracker` that an app makes."""

    def track(self, item: Any, candidates: Any, context: Any = None) -> str:
        """Report a decision; give its reward id."""
        ...

    def add_reward(self, reward: float, reward_id: str) -> None:
        """Report a reward."""
        ...


class Outcome(NamedTuple):
    """What came of a visit, and what a random and the best choice would have brought on average."""

    at_s: float
    is_new: bool
    by: By
    reward: float
    by_chance: float
    best: float


class App:
    """Serves visits, one at a time."""

    def __init__(self, reports: Reports, chooser: Chooser, rng: np.random.Generator) -> None:
        """Take who is reported to, who chooses, and the generator of rewards and their delays."""
        self._reports, self._chooser, self._rng = reports, chooser, rng
        self._owed: list[tuple[float, str]] = []  # a heap of (when, reward id)

    @property
    def owes_rewards(self) -> bool:
        """Whether rewards are still to be reported."""
        return bool(self._owed)

    def serve(self, visit: Visit, now_s: float) -> Outcome:
        """Choose for a visit and report it; its reward, if there is one, is reported later (`pay`)."""
        place, by = self._chooser.choose(visit, now_s)
        reward_id = self._reports.track(visit.candidates[place], list(visit.candidates), {"user": visit.user})
        luck, delay = self._rng.random(2)
        is_rewarded = bool(luck < visit.chances[place])
        if is_rewarded:
            heapq.heappush(self._owed, (now_s + _between(REWARD_AFTER_S, delay), reward_id))
        return Outcome(now_s, visit.is_new, by, float(is_rewarded), visit.by_chance, visit.best)

    def pay(self, now_s: float) -> int:
        """Report the rewards whose time has come; give their number."""
        paid = 0
        while self._owed and self._owed[0][0] <= now_s:
            self._reports.add_reward(1.0, heapq.heappop(self._owed)[1])
            paid += 1
        return paid


def _between(ends: Sequence[float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])
