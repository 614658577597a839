"""The command as a process of its own: killed and ended while clients send, nothing that was answered is lost."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.settings import Settings
from jobs.track.command import event_folder, listen
from jobs.track.event_folder import TrackError
from jobs.track.part import Part
from lambda_learner.events import Decision, Heartbeat, Reward, decode
from lambda_learner.events.accept import heartbeat_line
from operators.files import Line, event_files, plan_folder, read_chunk
from tests.harness.feed import Maker, now_ms
from tests.harness.job import Running, start

SENDERS = 4


@dataclass
class Endpoint:
    """A configuration on a free port, and the command started with it."""

    folder: Path
    port: int = 0

    def __post_init__(self) -> None:
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        self.config.write_text(
            f"stream: {{source: {{path: {self.events}}}}}\ntrack: {{port: {self.port}, sink: {{rotate_after: 1 s}}}}\n"
        )

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def events(self) -> Path:
        return self.folder / "events"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The command, once it listens."""
        with start(["track", "--config", str(self.config)], self.folder) as running:
            running.until(lambda: "listening" in running.err.read_text(), "listening")
            yield running

    def post(self, body: bytes, **headers: str) -> int:
        """Send a body; give the status, or 0 when there was no answer."""
        sent = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/track", body, sent)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except (OSError, http.client.HTTPException):
            return 0

    def lines(self) -> list[bytes]:
        """All lines that a job reads."""
        found = [line for chunk in plan_folder(str(self.events)) for line in read_chunk(chunk)]
        assert all(isinstance(line, Line) for line in found)
        return [line.data for line in found]


@dataclass
class Clients:
    """Threads that send decisions and their rewards until the endpoint is gone."""

    endpoint: Endpoint
    answered: Counter[str] = field(default_factory=Counter)  # by message_id
    sent: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Clients:
        self._threads = [threading.Thread(target=self._send, args=(Maker(),)) for _ in range(SENDERS)]
        for number, thread in enumerate(self._threads):
            thread.name = f"client-{number}"
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self, maker: Maker) -> None:
        maker.dice.seed(f"{threading.current_thread().name} {now_ms()}")
        while True:
            decision = maker.decision(now_ms())
            for event in (decision, maker.reward(decision, now_ms())):
                name = event["message_id"]
                self.sent[name] += 1
                status = self.endpoint.post(json.dumps(event).encode())
                if status == 0:
                    return
                assert status == 200
                self.answered[name] += 1


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    return Endpoint(tmp_path_factory.mktemp("track"))


@pytest.fixture(scope="module")
def clients(endpoint: Endpoint) -> Clients:
    """What was sent and answered while the endpoint was killed, started again, and then asked to end."""
    clients = Clients(endpoint)
    with endpoint.running() as running, clients:
        before = until_busy(running, clients, 100)
        running.until(lambda: event_files(str(endpoint.events)), "a visible file")
        until_busy(running, clients, before + 50)
        running.kill()
    left = Part(endpoint.events, now_ms())
    left.append(heartbeat_line(now_ms()) + b'{"torn')
    left.close()
    with endpoint.running() as running, clients:
        until_busy(running, clients, len(clients.answered) + 100)
        running.interrupt(signal.SIGTERM)
        assert running.wait().code == 0
    return clients


def until_busy(running: Running, clients: Clients, number: int) -> int:
    running.until(lambda: len(clients.answered) >= number, f"{number} answers")
    return len(clients.answered)


@pytest.fixture(scope="module")
def counts(endpoint: Endpoint, clients: Clients) -> Counter[str]:
    """How often each message_id is in the files that a job reads."""
    events = [json.loads(line) for line in endpoint.lines()]
    return Counter(event["message_id"] for event in events if event.get("type") != "heartbeat")


def test_what_was_answered_is_visible_exactly_once(clients: Clients, counts: Counter[str]) -> None:
    assert len(clients.answered) >= 250
    assert {name: counts[name] for name in clients.answered} == dict.fromkeys(clients.answered, 1)


def test_what_was_not_answered_is_visible_once_at_most(clients: Clients, counts: Counter[str]) -> None:
    unanswered = clients.sent - clients.answered
    assert 0 < len(unanswered) <= 2 * SENDERS
    assert counts - clients.answered <= unanswered


def test_every_line_is_an_event_and_every_file_but_a_recovered_one_ends_with_a_heartbeat(
    endpoint: Endpoint, clients: Clients
) -> None:
    files = event_files(str(endpoint.events))
    ends = [decode(gzip.decompress(path.read_bytes()).splitlines()[-1], arrival_ms=now_ms()) for path in files]
    assert sum(not isinstance(end, Heartbeat) for end in ends) <= 1
    kinds = {type(decode(line, arrival_ms=now_ms())) for line in endpoint.lines()}
    assert kinds == {Decision, Reward, Heartbeat}


def test_nothing_hidden_is_left_but_the_lock(endpoint: Endpoint, clients: Clients) -> None:
    assert [path.name for path in endpoint.events.rglob(".*")] == [".events.lock"]


def test_the_second_start_says_that_it_has_recovered(endpoint: Endpoint, clients: Clients) -> None:
    told = (endpoint.folder / "1.err").read_text()
    assert re.search(r"; files recovered from an interrupted run: [1-9]$", told, re.MULTILINE)


def test_a_folder_and_a_port_have_one_endpoint(endpoint: Endpoint, clients: Clients, tmp_path: Path) -> None:
    elsewhere = Endpoint(tmp_path, endpoint.port)
    with endpoint.running():
        same_folder = start(["track", "--config", str(endpoint.config)], endpoint.folder).wait()
        same_port = start(["track", "--config", str(elsewhere.config)], tmp_path).wait()
    assert (same_folder.code, same_port.code) == (2, 2)
    assert f"another track endpoint writes to {endpoint.events}: stop it, or" in same_folder.err
    assert f"cannot listen at http://127.0.0.1:{endpoint.port}" in same_port.err
    assert "Traceback" not in same_folder.err + same_port.err


def test_an_answer_is_sent_at_once_though_it_is_two_writes() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_not_of_this_machine_is_told() -> None:
    with pytest.raises(TrackError, match=r"cannot listen at http://\[2001:db8::1\]:80 .*give `track.host`"):
        listen("2001:db8::1", 80)


def test_event_files_go_where_the_job_reads_unless_a_folder_is_given() -> None:
    stream = {"source": {"path": "in"}}
    assert event_folder(Settings.model_validate({"stream": stream})) == Path("in")
    assert event_folder(Settings.model_validate({"stream": stream, "track": {"sink": {"folder": "out"}}})) == Path(
        "out"
    )


def test_a_source_that_is_one_file_needs_a_folder_for_the_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.touch()
    with pytest.raises(TrackError, match=r"got the file .*events.jsonl: set `track.sink.folder`"):
        event_folder(Settings.model_validate({"stream": {"source": {"path": str(path)}}}))
