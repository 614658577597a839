from __future__ import annotations

from itertools import islice

import numpy as np

from jobs.demo_kafka.app import REWARD_AFTER_S, App, Outcome
from jobs.demo_kafka.world import World
from tests.jobs.demo_kafka.fakes import Always, Noted, visit


def app_of(noted: Noted, place: int) -> App:
    return App(noted, Always(place), np.random.default_rng(1))


def test_a_decision_is_reported_with_its_candidates_and_its_user() -> None:
    noted = Noted()
    app_of(noted, 1).serve(visit(), 0.0)
    assert noted.decisions == [({"topic": "t1"}, [{"topic": "t0"}, {"topic": "t1"}], {"user": "user-1"})]


def test_the_outcome_says_what_chance_and_the_best_would_have_brought() -> None:
    assert app_of(Noted(), 1).serve(visit(), 7.0) == Outcome(7.0, False, "chance", 1.0, 0.5, 1.0)
    assert app_of(Noted(), 0).serve(visit(is_new=True), 8.0) == Outcome(8.0, True, "chance", 0.0, 0.5, 1.0)


def test_a_reward_is_reported_when_its_time_has_come_and_once() -> None:
    noted = Noted()
    app = app_of(noted, 1)
    app.serve(visit(), 10.0)
    assert app.pay(10.0 + REWARD_AFTER_S[0] - 0.01) == 0
    assert app.owes_rewards
    assert app.pay(10.0 + REWARD_AFTER_S[1]) == 1
    assert app.pay(99.0) == 0
    assert not app.owes_rewards
    assert noted.rewards == [(1.0, "decision-1")]


def test_without_a_reward_nothing_is_owed() -> None:
    app = app_of(Noted(), 0)
    app.serve(visit(), 0.0)
    assert not app.owes_rewards


def test_rewards_come_as_often_as_their_chance_says() -> None:
    app = app_of(Noted(), 0)
    rewards = [app.serve(visit((0.3, 0.9)), 0.0).reward for _ in range(2_000)]
    assert abs(float(np.mean(rewards)) - 0.3) < 0.04


def test_the_same_seed_gives_the_same_story() -> None:
    def story() -> list[Outcome]:
        rng = np.random.default_rng(5)
        app = App(Noted(), Always(2), rng)
        return [app.serve(each, float(at)) for at, each in enumerate(islice(World(rng).visits(rng), 100))]

    assert story() == story()
