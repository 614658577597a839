"""A worker: claims requests, one at a time, and sees to it that each ends as done, failed, given back or another's.

What a user can mend fails the request with the reason. A stop, or a bucket that does not answer, gives it back; where
even that is not possible, and for a worker that is killed, the claim expires and another worker takes it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from jobs.retrain.display import Display
from jobs.retrain.errors import NoRoom, TookTooLong
from jobs.retrain.lease import Lease
from jobs.retrain.order import Buckets, Order
from jobs.retrain.training import Training
from lambda_learner.publish.errors import BucketError, StoreError
from lambda_learner.retrain.errors import RetrainError
from lambda_learner.retrain.requests import (
    Claim,
    ClaimLost,
    RetrainRequest,
    claim_next,
    complete,
    create_claimed,
    fail,
    release,
)

__all__ = ["Outcome", "Stopped", "Surroundings", "Worker"]

LEASE_MS: Final = 60_000  # how long a request waits for a worker that has died
POLL_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The worker is asked to end."""


class Outcome(NamedTuple):
    """What became of a request: a result, or the reason why there is none."""

    request: RetrainRequest
    result: Mapping[str, Any] | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker needs of the world: buckets, a clock, a display, and `stop`, which ends it where it is set.

    `tell` is given each outcome. `max_runtime_ms` of a model; None: no limit.
    """

    buckets: Buckets
    order_of: Callable[[RetrainRequest], Order]
    max_runtime_ms: Callable[[str], int | None]
    now_ms: Callable[[], int]
    display: Callable[[], AbstractContextManager[Display]]
    tell: Callable[[Outcome], None]
    stop: threading.Event = field(default_factory=threading.Event)
    lease_ms: int = LEASE_MS


class Worker:
    """Works on requests under a name that no other worker has."""

    def __init__(self, name: str, around: Surroundings) -> None:
        """Nothing is claimed yet."""
        self._name, self._around = name, around
        self._store = around.buckets.train

    def run_all(self, model: str | None = None) -> list[Outcome]:
        """Work until no request is free, of one model or of all. Stopped, StoreError."""
        outcomes = []
        while (claim := self._next(model)) is not None:
            outcomes.append(self._work(claim))
        return outcomes

    def run_for_ever(self, model: str | None = None) -> None:
        """Work until it is stopped; a bucket that does not answer is asked again."""
        while not self._around.stop.wait(0.0 if self._tried(model) else POLL_SECONDS):
            pass

    def run_new(self, request: RetrainRequest) -> Outcome:
        """Ask for a training and carry it out at once; PreconditionFailed if it was asked for before."""
        now_ms, lease_ms = self._around.now_ms(), self._around.lease_ms
        return self._work(create_claimed(self._store, request, self._name, now_ms=now_ms, lease_ms=lease_ms))

    def _tried(self, model: str | None) -> bool:
        """Work on the next request; False if there was nothing to do, or nothing could be done."""
        try:
            claim = self._next(model)
            if claim is None:
                return False
            self._work(claim)
        except Stopped:
            return False
        except BucketError as error:
            _log.warning("it is tried again in a while: %s", error)
            return False
        return True

    def _next(self, model: str | None) -> Claim | None:
        if self._around.stop.is_set():
            raise Stopped
        now_ms, lease_ms = self._around.now_ms(), self._around.lease_ms
        return claim_next(self._store, self._name, now_ms=now_ms, lease_ms=lease_ms, model=model)

    def _work(self, claim: Claim) -> Outcome:
        lease = Lease(self._store, claim, now_ms=self._around.now_ms, lease_ms=self._around.lease_ms)
        outcome = self._carried_out(claim.record.request, lease)
        self._around.tell(outcome)
        return outcome

    def _carried_out(self, request: RetrainRequest, lease: Lease) -> Outcome:
        try:
            result = self._trained(request, lease)
            complete(self._store, lease.claim, now_ms=self._around.now_ms(), result=result)
        except ClaimLost as lost:
            return Outcome(request, None, str(lost))
        except (Stopped, StoreError):
            self._give_back(lease.claim)
            raise
        except (RetrainError, BucketError, OSError) as error:
            reason = str(NoRoom(error) if isinstance(error, OSError) else error)
            fail(self._store, lease.claim, now_ms=self._around.now_ms(), reason=reason)
            return Outcome(request, None, reason)
        return Outcome(request, result)

    def _trained(self, request: RetrainRequest, lease: Lease) -> Mapping[str, Any]:
        order = self._around.order_of(request)
        with self._around.display() as display, lease:
            show = self._watched(display, lease, self._around.max_runtime_ms(request.model))
            return Training(self._around.buckets, order, now_ms=self._around.now_ms, show=show).run(lease.renew)

    def _watched(self, display: Display, lease: Lease, max_runtime_ms: int | None) -> Display:
        """A display that ends the training where it must not go on."""
        began_ms = self._around.now_ms()

        def show(stage: str, done: int, total: int | None) -> None:
            if self._around.stop.is_set():
                raise Stopped
            lease.check()
            if max_runtime_ms is not None and self._around.now_ms() - began_ms > max_runtime_ms:
                raise TookTooLong(max_runtime_ms)
            display(stage, done, total)

        return show

    def _give_back(self, claim: Claim) -> None:
        try:
            release(self._store, claim)
        except BucketError as error:
            _log.warning("the request could not be given back, its claim expires: %s", error)
