"""The endpoint as an ASGI application: any path, any method; GET /health and /ready are for supervisors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from jobs.track import answers
from jobs.track.body import BodyError, read_body
from jobs.track.room import Lease, NoRoomError, Room
from jobs.track.sink import NotStoredError, Sink
from lambda_learner.events import BadRecord
from lambda_learner.events.accept import Acceptance, Stored, stored
from operators.clock import wall_clock_ms

__all__ = ["App", "Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is accepted: as strictly as the job reads it, or as loosely as the original endpoint."""

    acceptance: Acceptance
    max_message_bytes: int
    max_clock_skew_ms: int

    def event(self, body: bytes, received_ms: int) -> Stored:
        """What is stored of a body, or BadRecord."""
        return stored(
            body,
            received_ms=received_ms,
            acceptance=self.acceptance,
            max_message_bytes=self.max_message_bytes,
            max_clock_skew_ms=self.max_clock_skew_ms,
        )


@dataclass(frozen=True, slots=True)
class App:
    """Answers 200 when the event of a request is durable in the sink."""

    sink: Sink
    rules: Rules
    now_ms: Callable[[], int] = wall_clock_ms
    room: Room = field(default_factory=Room)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ASGI's entry."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return  # nobody is there to answer
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return answers.preflight()
        if request.method in ("GET", "HEAD") and request.url.path in ("/health", "/ready"):
            return self._health(request.url.path)
        return await self._event(request)

    async def _event(self, request: Request) -> Response:
        try:
            with self.room.lease() as lease:
                return await self._store(request, lease)
        except BodyError as refused:
            return answers.error(refused.status, str(refused), {"connection": "close"})
        except BadRecord as bad:
            return answers.error(400, str(bad))
        except NoRoomError as problem:
            return answers.try_again(str(problem), {"connection": "close"})
        except NotStoredError as problem:
            return answers.try_again(str(problem))

    def _health(self, path: str) -> Response:
        problem = self.sink.problem
        return answers.try_again(problem) if path == "/ready" and problem else answers.success()

    async def _store(self, request: Request, lease: Lease) -> Response:
        body = await read_body(request, self.rules.max_message_bytes, lease=lease)
        event = self.rules.event(body, self.now_ms())
        del body  # not held while the event waits
        await asyncio.wrap_future(self.sink.append(event))
        return answers.success()
