from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_learner.publish.store import FolderStore
from lambda_learner.retrain.requests import (
    Claim,
    ClaimLost,
    RetrainRequest,
    claim_next,
    complete,
    create,
    fail,
    records,
    renew,
)

REQUEST = RetrainRequest("movies", "schedule-20240131T040000Z", "schedule", 1_706_673_600_000)
OPEN = "retrain/open/movies/schedule-20240131T040000Z.json"
FINISHED = "retrain/finished/movies/schedule-20240131T040000Z.json"


def claimed(store: Any, worker: str = "a", *, now_ms: int = 0, lease_ms: int = 100) -> Claim:
    claim = claim_next(store, worker, now_ms=now_ms, lease_ms=lease_ms)
    assert claim is not None
    return claim


def states(store: Any) -> list[tuple[str, str]]:
    return [(record.request.request_id, record.state) for record in records(store)]


def test_a_request_is_an_object_under_its_model_and_id(store: Any) -> None:
    assert create(store, REQUEST)
    assert list(store.objects) == [OPEN]
    assert [record.request for record in records(store)] == [REQUEST]


def test_the_same_request_made_again_changes_nothing(store: Any) -> None:
    create(store, REQUEST)
    before = dict(store.objects)
    assert not create(store, REQUEST)
    assert store.objects == before
    claimed(store)
    assert not create(store, REQUEST)
    assert states(store) == [(REQUEST.request_id, "claimed")]


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_a_finished_request_stays_finished(store: Any, outcome: str) -> None:
    create(store, REQUEST)
    claim = claimed(store)
    if outcome == "done":
        complete(store, claim, now_ms=50, result={"archive": "k"})
    else:
        fail(store, claim, now_ms=50, reason="no rows")
    assert not create(store, REQUEST)
    assert list(store.objects) == [FINISHED]
    assert claim_next(store, "b", now_ms=10_000, lease_ms=100) is None
    (record,) = records(store)
    assert (record.state, record.finished_ms, record.worker) == (outcome, 50, "a")
    assert (record.reason, record.result) == (("", {"archive": "k"}) if outcome == "done" else ("no rows", {}))


def test_the_oldest_request_is_claimed_first_and_each_once(store: Any) -> None:
    for number, event_ms in ((1, 30), (2, 10), (3, 20)):
        create(store, RetrainRequest("movies", f"manual-{number}", "manual", event_ms))
    claims = [claimed(store, worker).record.request.event_ms for worker in ("a", "b", "c")]
    assert claims == [10, 20, 30]
    assert claim_next(store, "d", now_ms=0, lease_ms=100) is None


def test_a_worker_may_ask_for_one_model_only(store: Any) -> None:
    create(store, REQUEST)
    assert claim_next(store, "a", now_ms=0, lease_ms=100, model="songs") is None
    assert claim_next(store, "a", now_ms=0, lease_ms=100, model="movies") is not None


def test_a_dead_worker_s_claim_expires_and_another_takes_it(store: Any) -> None:
    create(store, REQUEST)
    dead = claimed(store, "dead", now_ms=0, lease_ms=100)
    assert claim_next(store, "b", now_ms=99, lease_ms=100) is None
    taken = claimed(store, "b", now_ms=100)
    assert (taken.record.worker, taken.record.attempts, taken.record.expires_ms) == ("b", 2, 200)
    for step in (
        lambda: renew(store, dead, now_ms=101, lease_ms=100),
        lambda: complete(store, dead, now_ms=101, result={}),
        lambda: fail(store, dead, now_ms=101, reason="late"),
    ):
        with pytest.raises(ClaimLost, match=r"no longer claimed by 'dead'.*drop this training"):
            step()
    assert complete(store, taken, now_ms=150, result={}).state == "done"


def test_a_renewed_claim_is_held_longer(store: Any) -> None:
    create(store, REQUEST)
    claim = renew(store, claimed(store), now_ms=90, lease_ms=100)
    assert claim_next(store, "b", now_ms=189, lease_ms=100) is None
    assert complete(store, claim, now_ms=189, result={}).expires_ms == 190


def test_a_request_that_kills_its_workers_is_failed_in_the_end(store: Any) -> None:
    create(store, REQUEST)
    for attempt in range(3):
        claimed(store, f"w{attempt}", now_ms=100 * attempt)
    assert claim_next(store, "w3", now_ms=300, lease_ms=100) is None
    (record,) = records(store, state="failed")
    assert record.reason == "3 workers claimed it and died, the last was 'w2'"


def test_a_damaged_request_is_passed_over(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    store.put("retrain/open/movies/bad.json", b"{")
    create(store, REQUEST)
    assert claimed(store).record.request == REQUEST
    assert "bad.json is damaged: it is not JSON" in caplog.text


@pytest.mark.parametrize("bad", ["../x", "", "a/b", "ü"])
def test_an_id_that_is_not_safe_in_a_key_is_refused(store: Any, bad: str) -> None:
    with pytest.raises(ValueError, match="request id must be"):
        create(store, REQUEST._replace(request_id=bad))
    with pytest.raises(ValueError, match="model must be"):
        create(store, REQUEST._replace(model="_" + bad))


@pytest.mark.parametrize("crash_at", range(5))
@pytest.mark.parametrize("after", [False, True])
def test_a_worker_killed_at_any_write_leaves_a_request_that_another_finishes_once(
    store: Any, crash: type[Exception], crash_at: int, after: bool
) -> None:
    store.crash_at, store.crash_after_writing = crash_at, after

    def work(worker: str, now_ms: int) -> None:
        create(store, REQUEST)
        if (claim := claim_next(store, worker, now_ms=now_ms, lease_ms=100)) is not None:
            complete(store, claim, now_ms=now_ms, result={"by": worker})

    try:
        work("a", 0)
        died = False
    except crash:
        died = True
    assert died == (crash_at < 5)
    work("b", 100)
    work("c", 200)
    assert list(store.objects) == [FINISHED]
    (record,) = records(store)
    finished_by_a = crash_at > 2 or (crash_at == 2 and after)
    assert (record.state, record.result) == ("done", {"by": "a" if finished_by_a else "b"})


def test_a_request_made_again_while_it_is_put_away_is_not_run_again(store: Any) -> None:
    create(store, REQUEST)
    first = store.objects[OPEN]
    complete(store, claimed(store), now_ms=1, result={"by": "a"})
    store.objects[OPEN] = first  # the creator looked for a finished one before there was one
    assert claim_next(store, "b", now_ms=1000, lease_ms=100) is None
    assert list(store.objects) == [FINISHED]
    assert records(store)[0].result == {"by": "a"}


def test_no_two_workers_ever_hold_a_request_whatever_the_order_of_their_steps(store: Any) -> None:
    rng = np.random.default_rng(5)
    claims: dict[str, Claim] = {}
    now_ms = finished = made = 0
    for _ in range(3000):
        now_ms += int(rng.integers(0, 40))
        worker = "abc"[rng.integers(3)]
        step = rng.integers(4)
        if rng.random() < 0.02:
            made += create(store, RetrainRequest("m", f"manual-{made}", "manual", now_ms))
        if worker not in claims or step == 0:
            claim = claim_next(store, worker, now_ms=now_ms, lease_ms=100, max_attempts=10_000)
            if claim is None:
                continue
            for other, held in claims.items():  # a worker that asks for another request has forgotten its last one
                if held.record.request == claim.record.request:
                    assert held.record.expires_ms <= now_ms, (other, worker)
            claims[worker] = claim
            continue
        claim = claims.pop(worker)
        try:
            if step == 1:
                complete(store, claim, now_ms=now_ms, result={})
                finished += 1
            else:
                claims[worker] = renew(store, claim, now_ms=now_ms, lease_ms=100)
        except ClaimLost:
            assert claim.record.expires_ms <= now_ms
    assert finished > 20
    assert len(records(store, state="done")) == finished
    assert len(records(store)) == made


def test_threads_on_a_folder_claim_each_request_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for number in range(12):
        create(store, RetrainRequest("m", f"manual-{number:02d}", "manual", number))
    taken: list[str] = []

    def work(worker: str) -> None:
        while (claim := claim_next(store, worker, now_ms=0, lease_ms=1000)) is not None:
            taken.append(claim.record.request.request_id)
            complete(store, claim, now_ms=1, result={})

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work("last")  # a thread may give up while others hold what is left; nothing is lost
    assert sorted(taken) == [f"manual-{number:02d}" for number in range(12)]
