"""Reports decisions and rewards to the track endpoint without ever waiting for it.

The calls are those of the RewardTracker of the Improve AI SDK (improve_protocol.md §9). An event is in the queue when
its call returns, and leaves it when the endpoint has answered 200 or has refused it: it is delivered at least once,
and the job takes copies as one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from lambda_learner.events import ksuid
from lambda_learner.serve.bodies import ABSENT, candidate_list, checked_model, decision_body, plain, reward_body
from lambda_learner.serve.delivery import Endpoint
from lambda_learner.serve.mailbox import FLUSH_S, Counts, Mailbox
from lambda_learner.serve.outbox import Outbox, Refused
from lambda_learner.serve.outbox_file import OutboxError, Sync
from lambda_learner.serve.sender import Sender, wall_clock_ms

__all__ = ["Counts", "OutboxError", "Refused", "Tracker"]

MAX_QUEUE_BYTES: Final = 64 << 20  # about 100,000 decisions of 400 bytes
CONNECTIONS: Final = 4
TIMEOUT_S: Final = 10.0


class Tracker:
    """Tracks the decisions of one model and their rewards. Thread-safe.

    A call checks its arguments as the endpoint would and raises TypeError or ValueError; the network raises nothing.
    When the queue is full or its disk fails, the new event is dropped, counted and logged: an app is not stopped by
    its own measurements. An event that the endpoint refuses (a 4xx that is not about a key, an address or load) is
    set aside: `refused`.

    With a file as queue, what waits when the process ends, kill -9 too, is sent by the next Tracker on it. Processes
    may share the file if they report to the same endpoint with the same key: one of them sends for all, another takes
    over when it ends. After a fork parent and child go on: the parent sends what was in its queue, the child opens
    the file anew at its first call, or begins with an empty queue in memory.
    """

    def __init__(  # noqa: PLR0913 - options, each with its default
        self,
        model_name: str,
        track_url: str,
        track_api_key: str | None = None,
        *,
        queue: str | Path | None = None,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        sync: Sync = "normal",
        log_candidates: bool = False,
        connections: int = CONNECTIONS,
        timeout_s: float = TIMEOUT_S,
        rng: np.random.Generator | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Open the queue and begin to send what waits in it; raises OutboxError when the file cannot be used.

        `queue` None keeps events in memory. `sync` "full" has each call wait for the disk, so that no power cut takes
        an event. `log_candidates` sends all candidates of `track`. `timeout_s` is for connecting and for an answer.
        `rng` draws the samples, instead of the system; ids are always the system's, as no two may be the same.
        """
        _check_options(max_queue_bytes, sync, connections, timeout_s)
        self._model, self._log_candidates, self._now_ms = checked_model(model_name), log_candidates, now_ms
        self._draw = secrets.randbelow if rng is None else lambda number: int(rng.integers(number))
        path = None if queue is None else Path(queue).absolute()

        def outbox() -> Outbox:
            return Outbox(path, max_bytes=max_queue_bytes, sync=sync)

        def endpoint() -> Endpoint:
            return Endpoint(track_url, track_api_key, connections=connections, timeout_s=timeout_s)

        def sender(outbox: Outbox) -> Sender:
            jitter = np.random.default_rng()  # of its own in each process: they must not all come at once
            return Sender(outbox, endpoint(), connections=connections, rng=jitter, now_ms=now_ms)

        endpoint().close()  # what is wrong with the URL or the key is said before a file is made
        self._mailbox = Mailbox(path, outbox, sender)

    def track(
        self,
        item: Any,
        candidates: Any,
        context: Any = None,
        *,
        propensity: float | None = None,
        model_version: str | None = None,
    ) -> str:
        """Report that an item was chosen from a list, tuple or array of candidates; give the reward id.

        A sample is drawn uniformly from the candidates at the other places. `propensity` is how likely the choice of
        the item was, over 0 and at most 1. NaN and infinity within an item are null, as JSON has neither.
        """
        item, candidates = plain(item), candidate_list(candidates)
        sample = self._sample(candidates, _place(item, candidates))
        logged = candidates if self._log_candidates else None
        return self._decide(
            item, len(candidates), context, sample,
            candidates=logged, propensity=plain(propensity), model_version=model_version,
        )  # fmt: skip

    def track_with_sample(  # noqa: PLR0913 - the SDK's call, and two fields
        self,
        item: Any,
        num_candidates: int,
        context: Any = None,
        sample: Any = ABSENT,
        *,
        propensity: float | None = None,
        model_version: str | None = None,
    ) -> str:
        """Report that an item was chosen from so many candidates, and one of the others; give the reward id.

        The sample must be drawn uniformly. None is a candidate that is null; without one none is sent, and training
        has nothing to compare the item with. One candidate leaves none to draw: then it is None or not given.
        """
        count = plain(num_candidates)
        if type(count) is not int:
            message = f"num_candidates must be an integer ≥ 1, got {num_candidates!r:.200}"
            raise TypeError(message)
        if count == 1 and sample is None:
            sample = ABSENT
        return self._decide(
            plain(item), count, context, plain(sample), propensity=plain(propensity), model_version=model_version
        )

    def add_reward(self, reward: float, reward_id: str) -> None:
        """Report a reward, a finite number, for a decision; several for one decision add up.

        The id is that of `track`, maybe of another machine: its time may be up to 15 minutes ahead of this clock.
        """
        now_ms = self._now_ms()
        fields = {"message_id": _new_id(now_ms), "model": self._model, "reward": reward, "decision_id": reward_id}
        self._mailbox.put(reward_body(fields, now_ms=now_ms))

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until no event of before the call waits; whether that was so within the time."""
        return self._mailbox.flush(timeout_s)

    def close(self, timeout_s: float = FLUSH_S) -> None:
        """Wait as `flush` does, and as long again for the requests under way, then end; idempotent.

        A queue in a file keeps what is left; in memory it is dropped. Both are logged. The end of the program calls it.
        """
        self._mailbox.close(timeout_s)

    @property
    def counts(self) -> Counts:
        """What became of the events; reads the whole queue, so not for every request."""
        return self._mailbox.counts

    def refused(self) -> list[Refused]:
        """The newest events that the endpoint refused, with its answers, oldest first; kept in the queue."""
        return self._mailbox.refused()

    def resend_refused(self) -> int:
        """Send the refused events again, once what was wrong is put right, a key say; give their number."""
        return self._mailbox.resend_refused()

    def __enter__(self) -> Self:
        """Give the tracker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _decide(self, item: Any, count: int, context: Any, sample: Any, **optional: Any) -> str:
        now_ms = self._now_ms()
        message_id = _new_id(now_ms)
        fields = {"message_id": message_id, "model": self._model, "item": item, "count": count}
        body = decision_body({**fields, "sample": sample, "context": context, **optional}, now_ms=now_ms)
        self._mailbox.put(body)
        return message_id

    def _sample(self, candidates: list[Any], place: int) -> Any:
        if len(candidates) == 1:
            return ABSENT
        drawn = self._draw(len(candidates) - 1)
        return candidates[drawn + (drawn >= place)]


def _new_id(now_ms: int) -> str:
    return ksuid.encode(now_ms // 1000, os.urandom(16))


def _place(item: Any, candidates: list[Any]) -> int:
    try:
        return candidates.index(item)
    except ValueError:
        message = f"item must be one of the {len(candidates)} candidates, got {item!r:.200}"
        raise ValueError(message) from None


def _check_options(max_queue_bytes: int, sync: str, connections: int, timeout_s: float) -> None:
    least = 1 << 20
    if max_queue_bytes < least:
        message = f"max_queue_bytes must be at least {least}, got {max_queue_bytes!r}"
        raise ValueError(message)
    if sync not in ("normal", "full"):
        message = f"sync must be normal or full, got {sync!r:.200}"
        raise ValueError(message)
    if connections < 1:
        message = f"connections must be at least 1, got {connections!r}"
        raise ValueError(message)
    if not timeout_s > 0:
        message = f"timeout_s must be a number of seconds > 0, got {timeout_s!r}"
        raise ValueError(message)
