"""An app's surroundings without any service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.demo_kafka.app import Choice
from jobs.demo_kafka.world import Visit


@dataclass
class Noted:
    """Takes reports as a Tracker does, and keeps them."""

    decisions: list[tuple[Any, Any, Any]] = field(default_factory=list)
    rewards: list[tuple[float, str]] = field(default_factory=list)

    def track(self, item: Any, candidates: Any, context: Any = None) -> str:
        self.decisions.append((item, candidates, context))
        return f"decision-{len(self.decisions)}"

    def add_reward(self, reward: float, reward_id: str) -> None:
        self.rewards.append((reward, reward_id))


@dataclass
class Always:
    """Chooses one place."""

    place: int

    def choose(self, visit: Visit, now_s: float) -> Choice:
        return Choice(self.place, "chance")


def visit(chances: Sequence[float] = (0.0, 1.0), *, is_new: bool = False) -> Visit:
    items = tuple({"topic": f"t{place}"} for place in range(len(chances)))
    return Visit("new-1" if is_new else "user-1", is_new, items, tuple(chances))
