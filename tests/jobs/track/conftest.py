"""An ASGI server as small as can be: hands messages to the application and keeps what it sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.types import Message

from jobs.track.app import App, Rules
from jobs.track.keys import ApiKey, sha256_of
from jobs.track.outcome import Outcome
from lambda_learner.events import ksuid
from lambda_learner.events.accept import Acceptance, Stored

NOW_S = 1_795_406_033
NOW_MS = NOW_S * 1000
ID = ksuid.encode(NOW_S, b"decision-0000001")
REWARD = {"message_id": ID, "model": "songs", "decision_id": ID, "reward": 1.0}
BODY = json.dumps(REWARD).encode()
MAX_BYTES = 10_000
CREATED = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def api_key(text: str, project: str = "shop", **fields: Any) -> ApiKey:
    return ApiKey(project=project, sha256=sha256_of(text.encode()), created_at=CREATED, **fields)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    chunks_read: int

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["error"]["message"])


@dataclass
class MemorySink:
    """Keeps lines; fails at once with `full`, later with `error`; with `slow` the test answers."""

    lines: list[bytes] = field(default_factory=list)
    full: Exception | None = None
    error: Exception | None = None
    slow: bool = False
    problem: str | None = None
    futures: list[Future[None]] = field(default_factory=list)

    def append(self, event: Stored) -> Future[None]:
        if self.full is not None:
            raise self.full
        future: Future[None] = Future()
        self.lines.append(event.line)
        self.futures.append(future)
        if self.error is not None:
            future.set_exception(self.error)
        elif not self.slow:
            future.set_result(None)
        return future

    def close(self) -> None:
        """Nothing waits."""


@dataclass
class Server:
    """Calls the application, each request with an event loop of its own."""

    sink: MemorySink
    app: App
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """That of the one request there was."""
        (outcome,) = self.outcomes
        return outcome

    def ask(
        self,
        body: bytes | Iterable[bytes] = BODY,
        *,
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request whose body comes in these chunks."""
        chunks = [body] if isinstance(body, bytes) else list(body)
        answer = asyncio.run(self.call(chunks, method, path, headers or {}))
        assert answer is not None
        return answer

    async def call(self, chunks: list[bytes], method: str, path: str, headers: Mapping[str, str]) -> Answer | None:
        sent: list[Message] = []
        messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if messages:
            messages[-1]["more_body"] = False
        left = iter(messages)
        read = 0

        async def receive() -> Message:
            nonlocal read
            read += 1
            return next(left, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": raw, "query_string": b""}
        await self.app(scope, receive, send)
        if not sent:
            return None
        start, *bodies = sent
        got = {name.decode(): value.decode() for name, value in start["headers"]}
        assert len(got) == len(start["headers"])  # none stands twice
        assert got["content-length"] == str(sum(len(each["body"]) for each in bodies))
        return Answer(start["status"], got, b"".join(each["body"] for each in bodies), read)


@pytest.fixture
def serving() -> Callable[..., Server]:
    def serve(
        sink: MemorySink | None = None,
        acceptance: Acceptance = "strict",
        max_message_bytes: int = MAX_BYTES,
        **more: Any,
    ) -> Server:
        kept = sink or MemorySink()
        rules = Rules(acceptance, max_message_bytes, 900_000)
        outcomes: list[Outcome] = []
        fields = {"observers": (outcomes.append,), "now_ms": lambda: NOW_MS, **more}
        return Server(kept, App(kept, rules, **fields), outcomes)

    return serve


@pytest.fixture
def server(serving: Callable[..., Server]) -> Server:
    return serving()
