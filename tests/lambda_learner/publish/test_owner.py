from __future__ import annotations

from collections.abc import Callable

import pytest

from lambda_learner.publish import keys, owner
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.errors import DamagedOwner, Fenced, NewerFormat, OwnedByAnother
from lambda_learner.publish.manifest import read_manifest
from lambda_learner.publish.shard_writer import ShardWriter
from lambda_learner.publish.store import Store

Build = Callable[..., EntityCoefficients]


def _writer(store: Store, epoch: int, shard: int = 0) -> ShardWriter:
    return ShardWriter(store, "movies", "g", shard, epoch)


def _epoch_of(store: Store, shard: int) -> int:
    found = read_manifest(store, "movies", "g", shard)
    assert found is not None
    return found.manifest.epoch


def test_the_first_claim_makes_epoch_1_and_a_repeat_keeps_it(store: Store) -> None:
    assert owner.read_owner(store) is None
    assert owner.claim(store, "a", take_over=False) == 1
    assert owner.claim(store, "a", take_over=False) == 1
    assert owner.claim(store, "a", take_over=True) == 1
    assert owner.read_owner(store) == owner.Owner("a", 1)


def test_another_job_is_refused_and_told_what_to_do(store: Store) -> None:
    owner.claim(store, "a", take_over=False)
    with pytest.raises(OwnedByAnother, match=r"owned by 'a', not by 'b'.*--take-over.*bucket of its own"):
        owner.claim(store, "b", take_over=False)
    assert owner.read_owner(store) == owner.Owner("a", 1)


def test_a_take_over_fences_the_old_owner_at_its_next_publish_on_every_shard(store: Store, coefficients: Build) -> None:
    old = owner.claim(store, "old", take_over=False)
    for shard in (0, 1):
        _writer(store, old, shard).publish(1000, [coefficients("e")])
    new = owner.claim(store, "new", take_over=True)
    assert new == old + 1
    assert [_epoch_of(store, shard) for shard in (0, 1)] == [new, new]
    for shard in (0, 1, 2):  # the third has no manifest yet
        with pytest.raises(Fenced, match="another job took the bucket over"):
            _writer(store, old, shard).publish(2000, [coefficients("e")])
        assert _writer(store, new, shard).publish(2000, [coefficients("e")]) is not None


def test_the_old_owner_may_take_the_bucket_back(store: Store, coefficients: Build) -> None:
    owner.claim(store, "old", take_over=False)
    new = owner.claim(store, "new", take_over=True)
    assert owner.claim(store, "old", take_over=True) == 3
    with pytest.raises(Fenced):
        _writer(store, new).publish(1000, [coefficients("e")])


def test_a_claim_that_was_cut_short_is_completed_by_the_next(store: Store, coefficients: Build) -> None:
    old = owner.claim(store, "old", take_over=False)
    _writer(store, old).publish(1000, [coefficients("e")])
    held = store.get(keys.OWNER_KEY)
    assert held is not None
    store.put(keys.OWNER_KEY, held.data.replace(b'"old"', b'"new"').replace(b'"epoch": 1', b'"epoch": 2'))
    assert _epoch_of(store, 0) == 1
    assert owner.claim(store, "new", take_over=False) == 2
    assert _epoch_of(store, 0) == 2


def test_a_lost_owner_does_not_set_the_epoch_back(store: Store, coefficients: Build) -> None:
    owner.claim(store, "a", take_over=False)
    epoch = owner.claim(store, "b", take_over=True)
    _writer(store, epoch).publish(1000, [coefficients("e")])
    store.delete(keys.OWNER_KEY)
    assert owner.claim(store, "c", take_over=False) == epoch + 1


def test_a_damaged_owner_is_an_error_that_says_what_to_do(store: Store) -> None:
    store.put(keys.OWNER_KEY, b'{"format_version": 1, "owner_id": 7}')
    with pytest.raises(DamagedOwner, match=r"owner.json is damaged: owner_id must be a text.*stop every job"):
        owner.claim(store, "a", take_over=True)
    store.put(keys.OWNER_KEY, b'{"format_version": 9}')
    with pytest.raises(NewerFormat):
        owner.claim(store, "a", take_over=True)


def test_a_damaged_manifest_does_not_stop_a_claim(
    store: Store, coefficients: Build, caplog: pytest.LogCaptureFixture
) -> None:
    epoch = owner.claim(store, "a", take_over=False)
    for shard in (0, 1):
        _writer(store, epoch, shard).publish(1000, [coefficients("e")])
    store.put(keys.manifest_key("movies", "g", 0), b"{")
    assert owner.claim(store, "b", take_over=True) == 2
    assert _epoch_of(store, 1) == 2
    assert "00/manifest.json is damaged" in caplog.text
