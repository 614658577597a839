"""The endpoint as an ASGI application: any path, any method, but for GET of /health, /ready and the pages."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from jobs.track import answers
from jobs.track.admission import Admission
from jobs.track.answers import Answer, Headers, Refusal
from jobs.track.body import Body
from jobs.track.outcome import Observer, Outcome
from jobs.track.room import NoRoomError, Room
from jobs.track.rules import Rules
from jobs.track.sink import NotStoredError, Sink
from lambda_learner.events import BadRecord
from operators.clock import wall_clock_ms

__all__ = ["App", "Page", "Rules"]

_LOG = logging.getLogger(__name__)
Page: TypeAlias = Callable[[], Answer]


@dataclass(slots=True)
class _Visit:
    """One request, and what is known of it so far."""

    request: Request
    body: Body
    project: str | None = None


@dataclass(frozen=True, slots=True)
class App:
    """Answers 200 when the event of a request is durable in the sink; each request has one outcome.

    Without `admission` nobody is asked for a key; preflights, health and `pages` (by path) never are. `headers` stand
    on every answer, and are none where the server itself adds CORS.
    """

    sink: Sink
    rules: Rules
    _: KW_ONLY
    admission: Admission | None = None
    observers: Sequence[Observer] = ()
    pages: Mapping[str, Page] = field(default_factory=dict)
    headers: Headers = answers.CORS
    room: Room = field(default_factory=Room)
    now_ms: Callable[[], int] = wall_clock_ms
    seconds: Callable[[], float] = time.perf_counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ASGI's entry."""
        began, request = self.seconds(), Request(scope, receive)
        visit, answer = _Visit(request, Body(request)), answers.CANCELLED
        try:
            answer = await self._answer(visit)
            if answer.status:
                await answers.send_answer(answer, send, self.headers)
        finally:
            self._observe(visit, answer, self.seconds() - began)

    def _observe(self, visit: _Visit, answer: Answer, seconds: float) -> None:
        method, path = visit.request.scope["method"], visit.request.scope["path"]
        outcome = Outcome(method, path, answer.status, answer.reason, visit.project, visit.body.bytes_read, seconds)
        for observer in self.observers:
            observer(outcome)

    async def _answer(self, visit: _Visit) -> Answer:
        try:
            return self._page(visit.request.scope) or await self._event(visit)
        except ClientDisconnect:
            return answers.DISCONNECTED
        except Refusal as refusal:
            visit.project = refusal.project or visit.project
            return refusal.answer
        except (BadRecord, NoRoomError, NotStoredError) as problem:
            return _answer_to(problem)
        except Exception:  # a bug; it must end this request only, with an answer that a page may read
            _LOG.exception("a request has failed")
            return answers.error(500, "bug", "the endpoint has failed: its log says how", answers.CLOSE)

    def _page(self, scope: Scope) -> Answer | None:
        """What is answered without an event: preflights, health and pages; None for all else."""
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            return answers.PREFLIGHT
        if method not in ("GET", "HEAD"):
            return None
        if path in ("/health", "/ready"):
            return answers.NOT_READY if path == "/ready" and self.sink.problem else answers.SUCCESS
        page = self.pages.get(path)
        return page() if page else None

    async def _event(self, visit: _Visit) -> Answer:
        if self.admission is not None:
            visit.project = self.admission.project(visit.request.scope)
        with self.room.lease() as lease:
            body = await visit.body.read(self.rules.max_message_bytes, lease=lease)
            event = self.rules.event(body, self.now_ms())
            del body  # not held while the event waits
            await asyncio.wrap_future(self.sink.append(event))
        return answers.SUCCESS


def _answer_to(problem: BadRecord | NoRoomError | NotStoredError) -> Answer:
    if isinstance(problem, BadRecord):
        # Only with its time of arrival is the body of a line that is too large not too large itself.
        return answers.error(413 if problem.reason == "too_large" else 400, problem.reason, str(problem))
    if isinstance(problem, NoRoomError):
        return answers.try_again("busy", str(problem), answers.CLOSE)
    return answers.NOT_STORED
