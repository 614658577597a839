"""A ranker follows the bucket without a restart, and never falls behind its last good state."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lambda_learner.publish import DamagedGeneration, DamagedManifest, Tombstone

U1, U2 = {"user": "u1"}, {"user": "u2"}
DRAMA = {"genre": "drama"}


def _score(ranker: Any, context: Any = U1) -> float:
    score: float = ranker.scores([DRAMA], context, explore=False)[0]
    return score


def test_a_new_publish_is_used_once_the_last_look_is_refresh_s_old(bucket: Any) -> None:
    ranker = bucket.ranker(refresh_s=2.0)
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    assert _score(ranker) == 1.0
    bucket.publish(bucket.learned('["u1"]', {"drama": 2.0}))
    bucket.now_s = 1.9
    assert _score(ranker) == 1.0
    bucket.now_s = 2.0
    assert _score(ranker) == 2.0


def test_a_ranker_follows_deltas_tombstones_and_merges(bucket: Any) -> None:
    ranker = bucket.ranker(refresh_s=0.0)
    for number in range(1, 20):
        bucket.publish(bucket.learned('["u1"]', {"drama": float(number)}), Tombstone('["u2"]', 0))
        assert _score(ranker) == float(number)
        assert _score(ranker, U2) == -0.5
        bucket.publish(bucket.learned('["u2"]', {"drama": 9.0}))
        assert _score(ranker, U2) == 9.0
    assert bucket.keys("-base.parquet")


def test_a_look_that_finds_nothing_new_reads_no_file(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    ranker = bucket.ranker(refresh_s=0.0)
    _score(ranker)
    for key in bucket.keys(".parquet"):
        (bucket.folder / key).unlink()
    assert _score(ranker) == 1.0


def test_only_shards_that_are_asked_for_are_read(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}), bucket.learned('["u2"]', {"drama": 2.0}))
    keys = bucket.keys("manifest.json")
    assert len(keys) == 2
    ranker = bucket.ranker()
    from_u1 = _score(ranker)
    for key in keys:
        bucket.damage(key)
    assert _score(ranker) == from_u1 == 1.0


def test_a_new_generation_is_used_without_a_restart(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    ranker = bucket.ranker()
    assert _score(ranker) == 1.0
    bucket.generation = bucket.generation.__class__(
        generation="ba9876543210",
        kind="linear",
        entity_paths=("context.account",),
        features=("item",),
        reward=bucket.generation.reward,
        shards=3,
    )
    bucket.publish(bucket.learned('["a1"]', {"drama": 5.0}))
    bucket.now_s = 1.0
    assert _score(ranker) == 1.0
    bucket.set_generation()
    bucket.now_s = 2.0
    assert _score(ranker, {"user": "u1", "account": "a1"}) == 5.0


def test_a_changed_prior_is_used_and_the_shards_are_kept(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    ranker = bucket.ranker()
    assert [_score(ranker), _score(ranker, U2)] == [1.0, -0.5]
    bucket.set_generation(prior=bucket.generation.prior._replace(mean=3.0))
    bucket.now_s = 1.0
    assert [_score(ranker), _score(ranker, U2)] == [1.0, 2.0]


@pytest.mark.parametrize("suffix", ["generation.json", "manifest.json", "-delta.parquet"])
def test_the_last_good_state_is_kept_over_damage_and_left_when_it_is_healed(
    bucket: Any, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    ranker = bucket.ranker()
    assert _score(ranker) == 1.0
    bucket.publish(bucket.learned('["u1"]', {"drama": 2.0}))
    held = {key: bucket.damage(key) for key in bucket.keys(suffix)}
    for now_s in (1.0, 2.0, 3.0):
        bucket.now_s = now_s
        assert _score(ranker) == (2.0 if suffix == "generation.json" else 1.0)
    (warning,) = caplog.records  # once, not at every look
    assert "model movies is still ranked with its last good state" in warning.getMessage()
    assert suffix in warning.getMessage()
    for key, data in held.items():
        bucket.store.put(key, data)
    bucket.now_s = 4.0
    assert _score(ranker) == 2.0


@pytest.mark.parametrize("suffix", ["generation.json", "manifest.json"])
def test_the_last_good_state_is_kept_if_an_object_is_gone(
    bucket: Any, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    ranker = bucket.ranker()
    _score(ranker)
    for key in bucket.keys(suffix):
        (bucket.folder / key).unlink()
    bucket.now_s = 1.0
    assert _score(ranker) == 1.0
    assert len(caplog.records) == 1


def test_the_old_generation_serves_on_if_the_new_one_cannot_be_read(
    bucket: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    ranker = bucket.ranker()
    assert _score(ranker) == 1.0
    bucket.store.put("coefficients/movies/ba9876543210/01/manifest.json", b"{")
    bucket.set_generation(generation="ba9876543210")
    bucket.now_s = 1.0
    assert _score(ranker) == 1.0
    assert "ba9876543210/01/manifest.json is damaged" in caplog.text


def test_damage_at_the_first_look_is_an_error(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    for key in bucket.keys("manifest.json"):
        bucket.damage(key)
    with pytest.raises(DamagedManifest):
        _score(bucket.ranker())
    bucket.set_generation(features=("nowhere",))
    with pytest.raises(DamagedGeneration, match=r"generation.json is damaged: a path is item or context"):
        _score(bucket.ranker())


def test_threads_rank_while_the_bucket_changes_and_see_whole_states_in_order(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}, intercept=1.0))
    ranker = bucket.ranker(refresh_s=0.0)
    stop = threading.Event()
    seen: list[list[float]] = [[] for _ in range(4)]
    failures: list[BaseException] = []

    def follow(scores: list[float]) -> None:
        try:
            while not stop.is_set():
                scores.append(_score(ranker))
                ranker.rank([DRAMA], U1)
        except BaseException as failure:  # noqa: BLE001 - told to the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=follow, args=(scores,)) for scores in seen]
    for thread in threads:
        thread.start()
    for number in range(2, 30):
        bucket.publish(bucket.learned('["u1"]', {"drama": float(number)}, intercept=float(number)))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    for scores in seen:
        assert scores == sorted(scores)
        assert all(score % 2 == 0 for score in scores)  # intercept and genre of one publish
    assert _score(ranker) == 58.0
