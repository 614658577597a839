"""Holds a claim while its request is worked on: a thread renews it, however long a stage takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from lambda_learner.publish.errors import StoreError
from lambda_learner.publish.store import Store
from lambda_learner.retrain.requests import Claim, ClaimLost, renew

__all__ = ["Lease"]

_RENEWALS = 3  # in the time of a lease, so that one that fails costs nothing
_log = logging.getLogger(__name__)


class Lease:
    """A claim that does not expire while this is open; use it as a context."""

    def __init__(self, store: Store, claim: Claim, *, now_ms: Callable[[], int], lease_ms: int) -> None:
        """Take a claim that is held."""
        self._store, self._claim = store, claim
        self._now_ms, self._lease_ms = now_ms, lease_ms
        self._end, self._turn = threading.Event(), threading.Lock()
        self._lost: ClaimLost | None = None
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        """Begin to renew."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Renew no more; `claim` is then the ground of the last step."""
        self._end.set()
        self._thread.join()

    @property
    def claim(self) -> Claim:
        """The claim as it was renewed last."""
        return self._claim

    def check(self) -> None:
        """Raise ClaimLost if another worker was found to have the request."""
        if self._lost is not None:
            raise self._lost

    def renew(self) -> None:
        """Renew now; ClaimLost if another worker has the request."""
        self.check()
        with self._turn:
            self._claim = renew(self._store, self._claim, now_ms=self._now_ms(), lease_ms=self._lease_ms)

    def _keep(self) -> None:
        while not self._end.wait(self._lease_ms / 1000 / _RENEWALS):
            try:
                self.renew()
            except ClaimLost as lost:
                self._lost = lost
                return
            except StoreError as error:
                _log.warning("the claim could not be renewed, it is tried again: %s", error)
