from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobs.retrain.lease import Lease
from lambda_learner.publish.errors import PreconditionFailed, StoreError
from lambda_learner.publish.store import FolderStore
from lambda_learner.retrain.request_record import RetrainRequest
from lambda_learner.retrain.requests import ClaimLost, claim_next, complete, create, create_claimed, records, release

REQUEST = RetrainRequest("songs", "r1", "manual", 5)
NOW_MS = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def test_a_request_that_is_made_claimed_is_no_other_workers(store: FolderStore) -> None:
    claim = create_claimed(store, REQUEST, "w", now_ms=NOW_MS, lease_ms=100)
    assert claim_next(store, "other", now_ms=NOW_MS + 99, lease_ms=100) is None
    assert complete(store, claim, now_ms=NOW_MS, result={}).state == "done"
    assert not create(store, REQUEST)


def test_a_request_that_is_made_claimed_expires_as_others_do(store: FolderStore) -> None:
    create_claimed(store, REQUEST, "w", now_ms=NOW_MS, lease_ms=100)
    taken = claim_next(store, "other", now_ms=NOW_MS + 100, lease_ms=100)
    assert taken is not None
    assert taken.record.attempts == 2


def test_a_request_that_was_asked_for_cannot_be_made_claimed(store: FolderStore) -> None:
    create(store, REQUEST)
    with pytest.raises(PreconditionFailed):
        create_claimed(store, REQUEST, "w", now_ms=NOW_MS, lease_ms=100)


def test_what_is_released_is_as_if_it_had_never_been_claimed(store: FolderStore) -> None:
    create(store, REQUEST)
    (before,) = records(store)
    claim = claim_next(store, "w", now_ms=NOW_MS, lease_ms=100)
    assert claim is not None
    release(store, claim)
    assert records(store) == [before]
    assert claim_next(store, "other", now_ms=NOW_MS, lease_ms=100) is not None
    with pytest.raises(ClaimLost):
        release(store, claim)


def test_it_renews_the_claim_until_it_is_closed(store: FolderStore) -> None:
    clock = iter(range(NOW_MS, NOW_MS + 10_000))
    claim = create_claimed(store, REQUEST, "w", now_ms=NOW_MS, lease_ms=30)
    with Lease(store, claim, now_ms=lambda: next(clock), lease_ms=30) as lease:
        while lease.claim.record.expires_ms < NOW_MS + 35:
            threading.Event().wait(0.005)
    assert complete(store, lease.claim, now_ms=NOW_MS, result={}).state == "done"


def test_it_tells_that_another_worker_has_the_request(store: FolderStore) -> None:
    claim = create_claimed(store, REQUEST, "w", now_ms=NOW_MS, lease_ms=30)
    claim_next(store, "thief", now_ms=NOW_MS + 1000, lease_ms=10**9)
    with Lease(store, claim, now_ms=lambda: NOW_MS, lease_ms=30) as lease:
        with pytest.raises(ClaimLost):
            while True:
                lease.check()
                threading.Event().wait(0.005)
        with pytest.raises(ClaimLost):
            lease.renew()


class Moody(FolderStore):
    """A store whose first conditional writes fail, after the one that makes the claim."""

    failures = -1

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        if self.failures > 0:
            self.failures -= 1
            message = "no answer"
            raise StoreError(message)
        return super().put_if(key, data, etag)


def test_a_renewal_that_fails_is_tried_again(tmp_path: Path) -> None:
    store = Moody(tmp_path)
    clock = iter(range(NOW_MS, NOW_MS + 10_000))
    claim = create_claimed(store, REQUEST, "w", now_ms=NOW_MS, lease_ms=30)
    store.failures = 2
    with Lease(store, claim, now_ms=lambda: next(clock), lease_ms=30) as lease:
        while lease.claim == claim:
            threading.Event().wait(0.005)
        lease.check()
