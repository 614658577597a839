"""Retrain requests as objects in the bucket, claimed by compare-and-set.

    retrain/open/{model}/{request_id}.json       asked for, or claimed by a worker until its lease expires
    retrain/finished/{model}/{request_id}.json   done or failed: stays, so that a request made again is not run again

The object under `open` decides: each step is one compare-and-set over it. A finished one is copied to `finished`, then
deleted; whoever meets one that was left half-way completes that. Polling reads the open ones only. The time is a
parameter; workers' clocks may differ by less than the part of the lease that is left when they renew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

from lambda_learner.publish.errors import BucketError, PreconditionFailed
from lambda_learner.publish.model_keys import request_key, requests_prefix
from lambda_learner.publish.store import Store
from lambda_learner.retrain.request_record import Cause, DamagedRequest, Record, RetrainRequest, State, dumps, loads

__all__ = [
    "Cause",
    "Claim",
    "ClaimLost",
    "DamagedRequest",
    "Record",
    "RetrainRequest",
    "claim_next",
    "complete",
    "create",
    "create_claimed",
    "fail",
    "records",
    "release",
    "renew",
]

MAX_ATTEMPTS: Final = 3  # a request that has killed so many workers is the cause of it
_log = logging.getLogger(__name__)

_FINISHED: Final = frozenset({"done", "failed"})


class ClaimLost(BucketError):
    """The request is another worker's now, or finished."""

    def __init__(self, key: str, worker: str) -> None:
        """Name the request and the worker that no longer holds it."""
        super().__init__(
            f"{key} is no longer claimed by {worker!r}: its lease expired and another worker took it, or it is "
            "finished; drop this training, and lengthen the lease or renew it more often"
        )
        self.key = key


class Claim(NamedTuple):
    """A request that a worker holds until `record.expires_ms`; the etag is the ground of its next step."""

    record: Record
    etag: str


def create(store: Store, request: RetrainRequest) -> bool:
    """Ask for a retraining; False, and nothing changes, if it was asked for before, even if it is finished by now."""
    if store.get(_finished_key(request)) is not None:
        return False
    try:
        store.put_if(_open_key(request), dumps(Record(request)), None)
    except PreconditionFailed:
        return False
    return True


def create_claimed(store: Store, request: RetrainRequest, worker: str, *, now_ms: int, lease_ms: int) -> Claim:
    """Ask for a retraining that no other worker is to take; PreconditionFailed if it was asked for before."""
    record = Record(request, state="claimed", worker=worker, expires_ms=now_ms + lease_ms, attempts=1)
    return Claim(record, store.put_if(_open_key(request), dumps(record), None))


def claim_next(  # noqa: PLR0913 - the last two are options
    store: Store, worker: str, *, now_ms: int, lease_ms: int, model: str | None = None, max_attempts: int = MAX_ATTEMPTS
) -> Claim | None:
    """Claim the oldest free request, of one model or of all, until now_ms + lease_ms; None if there is none.

    `worker` must be unique among the workers. A request whose claims have expired `max_attempts` times is failed.
    """
    found = [(record, etag) for record, etag in _open(store, model) if record.is_free(now_ms)]
    for record, etag in sorted(found, key=lambda pair: (pair[0].request.event_ms, pair[0].request)):
        try:
            if record.attempts >= max_attempts:
                reason = f"{record.attempts} workers claimed it and died, the last was {record.worker!r}"
                _finish(store, Claim(record, etag), replace(record, state="failed", reason=reason, finished_ms=now_ms))
                continue
            return _claim(store, record, etag, worker=worker, expires_ms=now_ms + lease_ms)
        except (PreconditionFailed, ClaimLost):
            continue  # another worker was faster
    return None


def renew(store: Store, claim: Claim, *, now_ms: int, lease_ms: int) -> Claim:
    """Hold the claim until now_ms + lease_ms; ClaimLost if another worker has it."""
    record = replace(claim.record, expires_ms=now_ms + lease_ms)
    return Claim(record, _replaced(store, claim, record))


def release(store: Store, claim: Claim) -> None:
    """Give the request back undone; the attempt is not counted. ClaimLost if another worker has it."""
    record = replace(claim.record, state="open", worker="", expires_ms=0, attempts=claim.record.attempts - 1)
    _replaced(store, claim, record)


def complete(store: Store, claim: Claim, *, now_ms: int, result: Mapping[str, Any]) -> Record:
    """Finish the request as done; ClaimLost if another worker has it. `result` is a JSON object."""
    record = replace(claim.record, state="done", finished_ms=now_ms, result=result)
    return _finish(store, claim, record)


def fail(store: Store, claim: Claim, *, now_ms: int, reason: str) -> Record:
    """Finish the request as failed, with the reason; ClaimLost if another worker has it."""
    return _finish(store, claim, replace(claim.record, state="failed", finished_ms=now_ms, reason=reason))


def records(store: Store, model: str | None = None, *, state: State | None = None) -> list[Record]:
    """Give the requests, of one model or of all, in the order of their events; `state` None gives those of any."""
    found = {record.request: record for record, _ in _read_all(store, "finished", model)}
    found = {record.request: record for record, _ in _read_all(store, "open", model)} | found
    listed = (record for record in found.values() if state is None or record.state == state)
    return sorted(listed, key=lambda record: (record.request.event_ms, record.request))


def _claim(store: Store, record: Record, etag: str, *, worker: str, expires_ms: int) -> Claim:
    key, finished_key = _open_key(record.request), _finished_key(record.request)
    claimed = replace(record, state="claimed", worker=worker, expires_ms=expires_ms, attempts=record.attempts + 1)
    claim = Claim(claimed, store.put_if(key, dumps(claimed), etag))
    if store.get(finished_key) is not None:  # asked for again in the moment between the two steps of putting it away
        store.delete(key)
        raise ClaimLost(key, worker)
    return claim


def _finish(store: Store, claim: Claim, record: Record) -> Record:
    _replaced(store, claim, record)
    _put_away(store, record)
    return record


def _replaced(store: Store, claim: Claim, record: Record) -> str:
    """Write over what the claim has read; a write that was carried out but not answered counts as this one."""
    key, text = _open_key(record.request), dumps(record)
    try:
        return store.put_if(key, text, claim.etag)
    except PreconditionFailed:
        held = store.get(key)
        if held is not None and held.data == text:
            return held.etag
        raise ClaimLost(key, claim.record.worker) from None


def _put_away(store: Store, record: Record) -> None:
    store.put(_finished_key(record.request), dumps(record))
    store.delete(_open_key(record.request))


def _open(store: Store, model: str | None) -> Iterator[tuple[Record, str]]:
    """Give what is not finished, and put away what is: a worker may have died after it finished a request."""
    for record, etag in _read_all(store, "open", model):
        if record.state in _FINISHED:
            _put_away(store, record)
        else:
            yield record, etag


def _read_all(store: Store, folder: Literal["open", "finished"], model: str | None) -> Iterator[tuple[Record, str]]:
    for info in list(store.list(requests_prefix(folder, model))):
        found = store.get(info.key)
        if found is None:
            continue  # put away since the listing
        try:
            record = loads(found.data, info.key)
        except DamagedRequest as damage:
            _log.warning("a retrain request is passed over: %s", damage)
            continue
        yield record, found.etag


def _open_key(request: RetrainRequest) -> str:
    return request_key("open", request.model, request.request_id)


def _finished_key(request: RetrainRequest) -> str:
    return request_key("finished", request.model, request.request_id)
