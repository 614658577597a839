"""The demo's world rewards who learns from its log: as plain a learner as can be rises as the demo is to rise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from jobs.demo_kafka.app import App, Choice, Outcome
from jobs.demo_kafka.rewards import has_risen, last
from jobs.demo_kafka.traffic import SEED, VISITS_A_SECOND
from jobs.demo_kafka.world import Visit, World
from tests.jobs.demo_kafka.fakes import Noted

SECONDS = 180
PRIOR_RATE, PRIOR_VISITS = 0.3, 3.0


class Remembers(Noted):
    """Takes the reports and chooses what has been rewarded most: of one person, or of all that are new."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Counter[tuple[str, str]] = Counter()
        self._rewarded: Counter[tuple[str, str]] = Counter()
        self._of: dict[str, list[tuple[str, str]]] = {}

    def track(self, item: Any, candidates: Any, context: Any = None) -> str:
        reward_id = super().track(item, candidates, context)
        self._of[reward_id] = list(keys(context["user"], item))
        self._shown.update(self._of[reward_id])
        return reward_id

    def add_reward(self, reward: float, reward_id: str) -> None:
        self._rewarded.update(self._of[reward_id])

    def choose(self, visit: Visit, now_s: float) -> Choice:
        scores = [sum(map(self._rate, keys(visit.user, item))) for item in visit.candidates]
        return Choice(int(np.argmax(scores)), "model" if visit.is_new else "coefficients")

    def _rate(self, key: tuple[str, str]) -> float:
        return (self._rewarded[key] + PRIOR_RATE * PRIOR_VISITS) / (self._shown[key] + PRIOR_VISITS)


def keys(user: str, item: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((user.partition("-")[0] if user.startswith("new") else user, value) for value in item.values())


def story() -> list[Outcome]:
    tastes, visits, luck = np.random.default_rng(SEED).spawn(3)
    learner = Remembers()
    app, outcomes = App(learner, learner, luck), []
    for place, visit in enumerate(islice(World(tastes).visits(visits), SECONDS * VISITS_A_SECOND)):
        now_s = place / VISITS_A_SECOND
        app.pay(now_s)
        outcomes.append(app.serve(visit, now_s))
    return outcomes


def test_who_remembers_what_was_rewarded_rises_as_the_demo_is_to() -> None:
    outcomes = story()
    assert has_risen(outcomes)
    assert not has_risen([row._replace(reward=row.by_chance) for row in outcomes])
    regulars, new = last(outcomes, is_new=False), last(outcomes, is_new=True)
    assert regulars is not None
    assert new is not None
    assert regulars.best - regulars.by_chance > 0.3 < new.best - new.by_chance
