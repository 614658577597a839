"""People come to the app, in real time, until its reward has risen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from config.settings import Settings
from jobs.demo_kafka.app import App, Outcome
from jobs.demo_kafka.board import Board, trainings_of
from jobs.demo_kafka.published import LatestModel, Published
from jobs.demo_kafka.rewards import has_risen
from jobs.demo_kafka.running import Parts
from jobs.demo_kafka.session import Session
from jobs.demo_kafka.world import Visit, World
from lambda_learner.publish.store import open_store
from lambda_learner.serve import Ranker, Tracker

__all__ = ["MODEL", "VISITS_A_SECOND", "Serving", "traffic"]

MODEL: Final = "stories"  # as in demo_kafka.yaml
SEED: Final = 10
VISITS_A_SECOND: Final = 40
TRAININGS: Final = 2  # to be seen, where the time is enough: the second one is compared with the first
LOOK_SECONDS: Final = 1.0  # between two boards


def traffic(session: Session, settings: Settings, parts: Parts) -> list[Outcome]:
    """Serve people until the reward has risen, or the time is over; all rewards are reported then.

    Interrupted, PartEnded.
    """
    store = open_store(settings.bucket.models)
    tastes, visits, luck, choices, ranking = np.random.default_rng(SEED).spawn(5)
    chooser = Published(Ranker(store, MODEL, rng=ranking), LatestModel(store, MODEL), choices)
    url = f"http://{settings.track.host}:{settings.track.port}/"
    with Tracker(MODEL, url, queue=session.folder / "tracker.db", log_candidates=True) as tracker:
        serving = Serving(App(tracker, chooser, luck), World(tastes).visits(visits), session.wait, time.monotonic)
        try:
            while not _is_enough(session, parts, serving):
                serving.serve_for(LOOK_SECONDS)
                parts.check()
                session.screen.show(
                    Board(serving.now_s, session.limit_s, serving.outcomes, trainings_of(parts.worker.output))
                )
        finally:
            session.screen.freeze()
        serving.pay_all()
    return serving.outcomes


def _is_enough(session: Session, parts: Parts, serving: Serving) -> bool:
    if serving.now_s >= session.limit_s:
        return True
    return has_risen(serving.outcomes) and len(trainings_of(parts.worker.output)) >= TRAININGS


class Serving:
    """An app with its visitors, and the time since the first of them."""

    def __init__(
        self, app: App, visits: Iterator[Visit], wait: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        """Begin now; `clock` gives monotonic seconds, and `wait` lets some of them pass."""
        self._app, self._visits, self._wait, self._clock = app, visits, wait, clock
        self._began_s = clock()
        self._next_s = 0.0
        self.outcomes: list[Outcome] = []

    @property
    def now_s(self) -> float:
        """The time of the demo."""
        return self._clock() - self._began_s

    def serve_for(self, seconds: float) -> None:
        """Serve visits for so long, each at its time; what an app cannot keep up with does not come later."""
        until_s = self.now_s + seconds
        while (now_s := self.now_s) < until_s:
            self.outcomes.append(self._app.serve(next(self._visits), now_s))
            self._app.pay(now_s)
            self._next_s = max(self._next_s + 1 / VISITS_A_SECOND, now_s)
            self._wait(max(self._next_s - self.now_s, 0.0))

    def pay_all(self) -> None:
        """Report the rewards that are still owed, each at its time."""
        while self._app.owes_rewards:
            self._app.pay(self.now_s)
            self._wait(1 / VISITS_A_SECOND)
