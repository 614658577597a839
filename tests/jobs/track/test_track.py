"""The command as a process of its own: killed and ended while clients send, nothing that was answered is lost."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest
import uvicorn

from jobs.track.app import App, Rules
from jobs.track.command import _serve, listen
from jobs.track.event_folder import TrackError
from jobs.track.part import Part
from lambda_learner.events import Decision, Heartbeat, Reward, decode
from lambda_learner.events.accept import heartbeat_line
from operators.files import Line, event_files, plan_folder, read_chunk
from tests.harness.endpoint import SENDERS, Clients, Endpoint
from tests.harness.feed import now_ms
from tests.harness.job import start
from tests.jobs.track.conftest import MAX_BYTES, MemorySink

ROTATION = {"rotate_after": "1 s"}


def lines_of(endpoint: Endpoint) -> list[bytes]:
    """All lines that a job reads."""
    found = [line for chunk in plan_folder(str(endpoint.events)) for line in read_chunk(chunk)]
    assert all(isinstance(line, Line) for line in found)
    return [line.data for line in found]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    return Endpoint(tmp_path_factory.mktemp("track"), ROTATION)


@pytest.fixture(scope="module")
def clients(endpoint: Endpoint) -> Clients:
    """What was sent and answered while the endpoint was killed, started again, and then asked to end."""
    clients = Clients(endpoint)
    with endpoint.running() as running, clients:
        clients.until_answered(running, 100)
        running.until(lambda: event_files(str(endpoint.events)), "a visible file")
        clients.until_answered(running, 50)
        running.kill()
    left = Part(endpoint.events, now_ms())
    left.append(heartbeat_line(now_ms()) + b'{"torn')
    left.close()
    with endpoint.running() as running, clients:
        clients.until_answered(running, 100)
        running.interrupt(signal.SIGTERM)
        assert running.wait().code == 0
    return clients


@pytest.fixture(scope="module")
def counts(endpoint: Endpoint, clients: Clients) -> Counter[str]:
    """How often each message_id is in the files that a job reads."""
    events = [json.loads(line) for line in lines_of(endpoint)]
    return Counter(event["message_id"] for event in events if event.get("type") != "heartbeat")


def test_what_was_answered_is_visible_exactly_once(clients: Clients, counts: Counter[str]) -> None:
    assert len(clients.answered) >= 250
    assert {name: counts[name] for name in clients.answered} == dict.fromkeys(clients.answered, 1)
    assert set(clients.statuses) == {200, 0}


def test_what_was_not_answered_is_visible_once_at_most(clients: Clients, counts: Counter[str]) -> None:
    unanswered = Counter(dict.fromkeys(set(clients.events) - set(clients.answered), 1))
    assert 0 < len(unanswered) <= 2 * SENDERS
    assert counts - clients.answered <= unanswered


def test_every_line_is_an_event_and_every_file_but_a_recovered_one_ends_with_a_heartbeat(
    endpoint: Endpoint, clients: Clients
) -> None:
    files = event_files(str(endpoint.events))
    ends = [decode(gzip.decompress(path.read_bytes()).splitlines()[-1], arrival_ms=now_ms()) for path in files]
    assert sum(not isinstance(end, Heartbeat) for end in ends) <= 1
    kinds = {type(decode(line, arrival_ms=now_ms())) for line in lines_of(endpoint)}
    assert kinds == {Decision, Reward, Heartbeat}


def test_nothing_hidden_is_left_but_the_lock(endpoint: Endpoint, clients: Clients) -> None:
    assert [path.name for path in endpoint.events.rglob(".*")] == [".events.lock"]


def test_the_second_start_says_that_it_has_recovered(endpoint: Endpoint, clients: Clients) -> None:
    told = (endpoint.folder / "1.err").read_text()
    assert re.search(r"; files recovered from an interrupted run: [1-9]$", told, re.MULTILINE)


def test_a_folder_and_a_port_have_one_endpoint(endpoint: Endpoint, clients: Clients, tmp_path: Path) -> None:
    elsewhere = Endpoint(tmp_path, ROTATION, endpoint.port)
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


def test_a_signal_before_the_server_has_its_handlers_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run = uvicorn.Server.run

    def signalled(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        signal.raise_signal(signal.SIGTERM)
        run(server, sockets)

    monkeypatch.setattr(uvicorn.Server, "run", signalled)
    with listen("127.0.0.1", 0) as listening:
        _serve(App(MemorySink(), Rules("strict", MAX_BYTES, 900_000)), listening)


def test_an_address_that_is_not_of_this_machine_is_told() -> None:
    with pytest.raises(TrackError, match=r"cannot listen at http://\[2001:db8::1\]:80 .*give `track.host`"):
        listen("2001:db8::1", 80)
