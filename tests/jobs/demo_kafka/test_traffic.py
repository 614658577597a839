from __future__ import annotations

from itertools import repeat

import numpy as np
import pytest

from jobs.demo_kafka.app import App
from jobs.demo_kafka.session import Interrupted
from jobs.demo_kafka.traffic import VISITS_A_SECOND, Serving
from tests.jobs.demo_kafka.fakes import Always, Noted, visit


class Time:
    """A clock that waiting moves on, and each look at it by so much as work takes."""

    def __init__(self, work_s: float = 0.0) -> None:
        self.now_s, self._work_s = 50.0, work_s

    def __call__(self) -> float:
        self.now_s += self._work_s
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def serving(time: Time, noted: Noted) -> Serving:
    return Serving(App(noted, Always(1), np.random.default_rng(1)), repeat(visit()), time.wait, time)


def test_so_many_come_a_second_at_equal_times() -> None:
    noted = Noted()
    serves = serving(Time(), noted)
    serves.serve_for(2.0)
    assert len(noted.decisions) == 2 * VISITS_A_SECOND
    assert np.diff([row.at_s for row in serves.outcomes]) == pytest.approx(1 / VISITS_A_SECOND)


def test_an_app_that_is_slow_serves_fewer_and_has_no_backlog() -> None:
    noted = Noted()
    serves = serving(Time(work_s=0.05), noted)
    serves.serve_for(2.0)
    assert 0 < len(noted.decisions) < VISITS_A_SECOND


def test_rewards_that_are_owed_at_the_end_are_reported() -> None:
    noted = Noted()
    serves = serving(Time(), noted)
    serves.serve_for(1.0)
    before = len(noted.rewards)
    serves.pay_all()
    assert before < len(noted.rewards) == len(noted.decisions) == VISITS_A_SECOND


def test_the_wish_to_end_ends_it() -> None:
    def wait(_seconds: float) -> None:
        raise Interrupted

    serves = Serving(App(Noted(), Always(1), np.random.default_rng(1)), repeat(visit()), wait, Time())
    with pytest.raises(Interrupted):
        serves.serve_for(1.0)
