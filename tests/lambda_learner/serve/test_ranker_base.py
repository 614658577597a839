"""A ranker adds an entity's coefficients to the base of its time, and follows the activation log."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lambda_learner.publish.bases import READ_AHEAD_MS, DamagedBaseLog
from lambda_learner.retrain.offset_model import DamagedBase, load_offset_model
from lambda_learner.serve.live_base import NoBooster
from lambda_learner.serve.ranker import Ranker
from tests.harness.bases import put_base

U1, NOBODY = {"user": "u1", "hour": 3}, {"hour": 3}
ITEMS = [{"genre": genre, "tempo": 0.5} for genre in ("rock", "jazz", "pop")]
NOW_MS = 1_800_000_000_000
LOG = "models/base/movies/log.json"
PRIOR = np.array([-1.0 + 0.5 + 0.5 * 0.5] * 3)  # intercept, genre and tempo, of an entity that is not known


class Bases:
    """A bucket with bases, the ranker's wall clock beside its own."""

    def __init__(self, bucket: Any) -> None:
        self.bucket, self.now_ms = bucket, NOW_MS

    def ranker(self, **options: Any) -> Ranker:
        given: dict[str, Any] = {"wall_clock": lambda: self.now_ms / 1000, "refresh_s": 0.0} | options
        ranker: Ranker = self.bucket.ranker(**given)
        return ranker

    def put(self, version: str, **fields: Any) -> np.ndarray[Any, Any]:
        """Activate a base; what it gives the items."""
        entry = put_base(self.bucket.store, version, model="movies", **{"active_from_ms": NOW_MS} | fields)
        return load_offset_model(self.bucket.store, entry).offsets(ITEMS, [NOBODY] * 3)

    def publish(self, base_version: str, **means: float) -> None:
        learned = self.bucket.learned('["u1"]', means, intercept=0.25)
        self.bucket.publish(replace(learned, base_version=base_version))


@pytest.fixture
def bases(bucket: Any) -> Bases:
    return Bases(bucket)


def scores(ranker: Ranker, context: Any = U1) -> Any:
    return np.array(ranker.scores(ITEMS, context, explore=False))


def test_a_score_is_the_offset_of_the_base_and_the_entity_s_coefficients(bases: Bases) -> None:
    offsets = bases.put("b1")
    bases.publish("b1", rock=1.0, jazz=2.0, pop=3.0)
    expected = offsets + 0.25 + np.array([1.0, 2.0, 3.0]) + 0.5 * 0.5  # tempo has the prior's mean
    np.testing.assert_allclose(scores(bases.ranker()), expected, rtol=1e-15)


def test_without_an_entity_the_base_ranks_alone(bases: Bases) -> None:
    offsets = bases.put("b1")
    ranker = bases.ranker()
    assert scores(ranker, NOBODY).tolist() == offsets.tolist()
    best = ranker.rank(ITEMS, NOBODY)
    assert [ranked.score for ranked in best] == sorted(offsets, reverse=True)


def test_an_entity_that_is_not_known_gets_the_base_and_the_prior(bases: Bases) -> None:
    offsets = bases.put("b1")
    np.testing.assert_allclose(scores(bases.ranker()), offsets + PRIOR, rtol=1e-14)


def test_what_was_learned_without_a_base_does_not_count_over_one(bases: Bases) -> None:
    offsets = bases.put("b1")
    bases.publish("", rock=1.0, jazz=2.0, pop=3.0)
    np.testing.assert_allclose(scores(bases.ranker()), offsets + PRIOR, rtol=1e-14)


def test_over_the_next_base_the_means_stay_and_exploration_grows(bases: Bases) -> None:
    bases.put("b1", active_from_ms=NOW_MS - 1)
    bases.publish("b1", rock=1.0)
    before = bases.ranker(refresh_s=1e9, rng=np.random.default_rng(1))
    spread = np.std([before.scores(ITEMS[:1], U1) for _ in range(400)])
    offsets = bases.put("b2")
    after = bases.ranker(rng=np.random.default_rng(1), refresh_s=1e9)
    assert scores(after)[0] == pytest.approx(offsets[0] + 0.25 + 1.0 + 0.25)
    drawn = np.std([after.scores(ITEMS[:1], U1) for _ in range(400)])
    # Of precision 1 the genre's becomes 2.5 (its prior has 4), the intercept's 8.5 (16); tempo has the prior's.
    assert drawn == pytest.approx(np.sqrt(1 / 2.5 + 1 / 8.5 + 0.25 / 4), rel=0.1)
    assert spread == pytest.approx(np.sqrt(1 + 1 + 0.25 / 4), rel=0.1)


def test_the_constant_base_gives_all_the_same(bases: Bases) -> None:
    bases.put("c1", constant=-2.0)
    assert scores(bases.ranker(), NOBODY).tolist() == [-2.0] * 3


def test_a_base_of_another_kind_is_not_used(bases: Bases) -> None:
    bases.put("b1", kind="linear")
    assert scores(bases.ranker(), NOBODY).tolist() == [0.0] * 3


def test_a_base_is_used_from_its_time_on_without_a_restart(bases: Bases) -> None:
    ranker = bases.ranker()
    assert scores(ranker, NOBODY).tolist() == [0.0] * 3
    first = bases.put("b1", active_from_ms=NOW_MS + 2 * READ_AHEAD_MS)
    second = bases.put("b2", active_from_ms=NOW_MS + 2 * READ_AHEAD_MS + 5)
    for later_ms, expected in (
        (2 * READ_AHEAD_MS - 1, [0.0] * 3),
        (2 * READ_AHEAD_MS, first),
        (2 * READ_AHEAD_MS + 5, second),
    ):
        bases.now_ms = NOW_MS + later_ms
        assert scores(ranker, NOBODY).tolist() == list(expected)


def test_the_log_is_read_once_a_minute_and_a_file_once(bases: Bases, monkeypatch: pytest.MonkeyPatch) -> None:
    bases.put("b1")
    read: list[str] = []
    get = type(bases.bucket.store).get

    def counted(store: Any, key: str) -> Any:
        read.append(key)
        return get(store, key)

    monkeypatch.setattr(type(bases.bucket.store), "get", counted)
    ranker = bases.ranker()
    for seconds in range(0, 120, 10):
        bases.now_ms = NOW_MS + seconds * 1000
        scores(ranker)
    of_bases = [key for key in read if key.startswith("models/base/")]
    assert of_bases == [LOG, "models/base/movies/b1.xgb.gz", LOG]


def test_a_clock_that_was_ahead_keeps_no_base_from_being_seen(bases: Bases) -> None:
    ranker = bases.ranker()
    bases.now_ms = NOW_MS + 3_600_000
    assert scores(ranker, NOBODY).tolist() == [0.0] * 3
    first = bases.put("b1", active_from_ms=NOW_MS)
    bases.now_ms = NOW_MS
    assert scores(ranker, NOBODY).tolist() == list(first)


@pytest.mark.parametrize("damaged", [LOG, "models/base/movies/b2.xgb.gz"])
def test_the_last_good_base_is_kept_over_damage_and_left_when_it_is_healed(
    bases: Bases, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    offsets = bases.put("b1")
    bases.publish("b1", rock=1.0)
    ranker = bases.ranker()
    before = scores(ranker)
    newer = bases.put("b2", active_from_ms=NOW_MS + 5)
    held = bases.bucket.damage(damaged)
    for later_ms in range(READ_AHEAD_MS, 4 * READ_AHEAD_MS, READ_AHEAD_MS):
        bases.now_ms = NOW_MS + later_ms
        assert scores(ranker, NOBODY).tolist() == offsets.tolist()
        assert scores(ranker).tolist() == before.tolist()
    (warning,) = caplog.records  # once, not at every look
    assert f"{damaged} is damaged" in warning.getMessage()
    bases.bucket.store.put(damaged, held)
    assert scores(ranker, NOBODY).tolist() == newer.tolist()


def test_new_coefficients_are_used_while_the_base_is_damaged(bases: Bases) -> None:
    bases.put("b1")
    bases.publish("b1", rock=1.0)
    ranker = bases.ranker()
    before = scores(ranker)
    bases.bucket.damage(LOG)
    bases.now_ms += READ_AHEAD_MS
    bases.publish("b1", rock=2.0)
    assert scores(ranker)[0] == pytest.approx(before[0] + 1.0)


def test_damage_at_the_first_look_is_an_error(bases: Bases) -> None:
    bases.put("b1")
    held = bases.bucket.damage("models/base/movies/b1.xgb.gz")
    with pytest.raises(DamagedBase):
        scores(bases.ranker())
    bases.bucket.store.put("models/base/movies/b1.xgb.gz", held)
    bases.bucket.damage(LOG)
    with pytest.raises(DamagedBaseLog):
        scores(bases.ranker())


def test_without_xgboost_the_error_says_what_to_install(bases: Bases, monkeypatch: pytest.MonkeyPatch) -> None:
    bases.put("b1")
    monkeypatch.delitem(sys.modules, "lambda_learner.retrain.offset_model")
    monkeypatch.setitem(sys.modules, "lambda_learner.retrain.boost", None)
    with pytest.raises(NoBooster, match=r"model 'movies' has an active base, which needs .*\[train\]"):
        scores(bases.ranker())


def test_ranking_without_a_base_loads_no_xgboost(bases: Bases) -> None:
    bases.publish("", rock=1.0)
    program = f"""
import sys
from lambda_learner.serve import Ranker
assert Ranker({str(bases.bucket.folder)!r}, "movies").rank([{{"genre": "rock"}}], {{"user": "u1"}})
assert "xgboost" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_learner_and_the_ranker_give_the_same_score(bases: Bases) -> None:
    """What the job would say of a decision, base and all, is what a reader says of it as a candidate."""
    offsets = bases.put("b1")
    bases.publish("b1", rock=1.0, jazz=2.0, pop=3.0)
    ranker = bases.ranker()
    one_by_one = [ranker.scores([item], U1, explore=False)[0] for item in ITEMS]
    assert one_by_one == scores(ranker).tolist()
    assert (scores(ranker) - offsets)[0] == pytest.approx(1.5)


def test_threads_that_rank_at_once_get_what_one_does(bases: Bases) -> None:
    bases.put("b1")
    bases.publish("b1", rock=1.0)
    ranker = bases.ranker()
    expected = scores(ranker).tolist()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: scores(ranker).tolist(), range(200)))
    assert all(each == expected for each in found)
