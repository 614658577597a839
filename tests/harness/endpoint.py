"""The track endpoint as its users start it, and clients that send to it from threads until it is gone."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from jobs.ports import free_port
from tests.harness.feed import Maker, now_ms
from tests.harness.job import Running, start

SENDERS = 4
AGAIN_SECONDS = 0.1  # between two attempts of a client that was told to try again
ANSWER_SECONDS = 30.0


@dataclass
class Endpoint:
    """A configuration on a free port, and the command started with it; `job` is that of a job, which gets a section."""

    folder: Path
    sink: Mapping[str, Any]
    port: int = field(default_factory=free_port)
    job: Path | None = None

    def __post_init__(self) -> None:
        document = (
            yaml.safe_load(self.job.read_text()) if self.job else {"stream": {"source": {"path": str(self.events)}}}
        )
        document["track"] = {"port": self.port, "access_log": False, "sink": dict(self.sink)}
        self.config.write_text(yaml.safe_dump(document, allow_unicode=True))

    @property
    def config(self) -> Path:
        return self.job or self.folder / "config.yaml"

    @property
    def events(self) -> Path:
        return self.folder / "events"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The command, once it listens."""
        with start(["track", "--config", str(self.config)], self.folder) as running:
            running.until(lambda: "listening at" in running.err.read_text(), "listening")
            yield running

    def ask(self, body: bytes, method: str = "POST", path: str = "/track") -> tuple[int, Mapping[str, str]]:
        """Send a body; give status and headers, or 0 and none when there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def is_ready(self) -> bool:
        return self.ask(b"", "GET", "/ready")[0] == 200


@dataclass
class Clients:
    """Threads that send decisions and their rewards until the endpoint is gone, again after a 503."""

    endpoint: Endpoint
    events: dict[str, dict[str, Any]] = field(default_factory=dict)  # all that were sent, by message_id
    answered: Counter[str] = field(default_factory=Counter)  # with 200, by message_id
    refused: set[str] = field(default_factory=set)  # once at least: what was refused may be stored nevertheless
    statuses: Counter[int] = field(default_factory=Counter)
    retry_after: set[str] = field(default_factory=set)

    def __enter__(self) -> Clients:
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def until_answered(self, running: Running, number: int) -> None:
        """Wait until so many more events are answered."""
        wanted = len(self.answered) + number
        running.until(lambda: len(self.answered) >= wanted, f"{number} answers")

    def _send(self, number: int) -> None:
        maker = Maker()
        maker.dice.seed(f"client {number} at {now_ms()}")
        while True:
            decision = maker.decision(now_ms())
            for event in (decision, maker.reward(decision, now_ms())):
                if not self._stored(event):
                    return

    def _stored(self, event: dict[str, Any]) -> bool:
        """Send an event until it is answered 200; false when the endpoint is gone."""
        self.events[event["message_id"]] = event
        while True:
            status, headers = self.endpoint.ask(json.dumps(event).encode())
            self.statuses[status] += 1
            if status == 200:
                self.answered[event["message_id"]] += 1
            if status != 503:
                return status == 200
            self.refused.add(event["message_id"])
            self.retry_after.add(headers.get("retry-after", ""))
            time.sleep(AGAIN_SECONDS)
