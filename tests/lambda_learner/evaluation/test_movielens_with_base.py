"""What a base is worth: windows by hand, and on the real ratings (slow)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lambda_learner.evaluation.movielens.windows import LEARNER, Decisions, entity_scores
from lambda_learner.evaluation.movielens.with_base import STEPS, evidence
from lambda_learner.events import ksuid
from lambda_learner.learn import Example, learn
from lambda_learner.publish.bases import BaseEntry, BaseLog
from lambda_learner.simulate import movielens
from lambda_learner.simulate.movielens import DataSetError

T0_S = 1_700_000_000 - 1_700_000_000 % 10
ITEM = {"genres": ["Drama"]}
FEATURES = {("item.genres", "Drama"): 1.0}


def decisions(*seconds: int) -> Decisions:
    """Liked decisions of one user for one item."""
    ids = [ksuid.encode(T0_S + second, place.to_bytes(16, "big")) for place, second in enumerate(seconds)]
    number = len(seconds)
    times_ms = [(T0_S + second) * 1000 for second in seconds]
    return Decisions(ids, times_ms, np.zeros(number, np.int64), [ITEM] * number, [{}] * number, np.ones(number))


def after(*windows: tuple[int, Sequence[str]], offset: float = 0.0, base_version: str = "") -> float:
    """The score of the item after these windows of liked decisions, without an offset."""
    state = None
    for close_s, ids in windows:
        examples = [Example(each, FEATURES, 1.0, 1.0, offset) for each in ids]
        close_ms = (T0_S + close_s) * 1000
        state = learn(
            state, examples, close_ms=close_ms, generation="", settings=LEARNER, base_version=base_version
        ).state
    return 0.0 if state is None else float(state.posterior.mean.sum())


def test_a_window_is_learned_after_it_and_served_when_it_is_published() -> None:
    given = decisions(1, 12, 49, 50)  # windows end at 20, 30 and 60 s; the first is readable from 50 s on
    scores = entity_scores(given, BaseLog(), np.zeros(4), first=0)
    one, two = given.ids[:1], given.ids[1:2]
    known = after((20, one), (30, two))
    np.testing.assert_allclose(scores.learned, [0.0, after((20, one)), known, known])
    np.testing.assert_allclose(scores.served, [0.0, 0.0, 0.0, after((20, one))])


def test_over_a_base_entities_begin_anew_and_add_to_its_offset() -> None:
    given = decisions(1, 31, 101)
    entry = BaseEntry("b1", "", "logistic", (T0_S + 40) * 1000, (T0_S + 30) * 1000, 0.0, 0.0)
    scores = entity_scores(given, BaseLog((entry,)), np.array([9.0, 0.5, 0.5]), first=0)
    assert scores.learned[:2].tolist() == scores.served[:2].tolist() == [0.0, 0.5]
    known = 0.5 + after((50, given.ids[1:2]), offset=0.5, base_version="b1")
    assert scores.learned[2] == scores.served[2] == pytest.approx(known)


@pytest.mark.slow
def test_base_and_entities_together_are_better_than_either_on_the_real_ratings() -> None:
    try:
        data = movielens.read(movielens.find_folder())
    except DataSetError as error:
        pytest.skip(str(error))
    steps: list[str] = []
    found = evidence(data, steps.append)
    assert tuple(steps) == STEPS
    learned, served = found
    assert learned.entities == pytest.approx(0.7105, abs=0.001)
    assert learned.base == pytest.approx(0.625, abs=0.02)
    assert learned.both == pytest.approx(0.731, abs=0.005)
    assert served.entities == pytest.approx(0.702, abs=0.003)
    assert served.both == pytest.approx(0.725, abs=0.006)
    for gain in (learned.over_entities, learned.over_base, served.over_entities, served.over_base):
        assert gain.value >= 0.005
        assert gain.low > 0.0
