"""Trackers in processes that are killed, that share a queue, and that are forked."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lambda_learner.serve import Tracker
from tests.lambda_learner.serve.endpoint import TrackEndpoint

LONG_S = 60.0

# Tracks so many decisions (0: without end) from some threads; each id is printed once its call has returned.
APP = """
import itertools, os, sys, threading
from lambda_learner.serve import Tracker
url, queue, number, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
tracker = Tracker("songs", url, queue=queue)
def track():
    for index in range(number) if number else itertools.count():
        os.write(1, (tracker.track(index, [index, "other"]) + "\\n").encode())
running = [threading.Thread(target=track) for _ in range(threads)]
for thread in running: thread.start()
for thread in running: thread.join()
print("done", flush=True)
sys.stdin.read()
tracker.close(60)
"""

FORKING = """
import os, sys
from lambda_learner.serve import Tracker
url, queue = sys.argv[1], sys.argv[2] or None
tracker = Tracker("songs", url, queue=queue)
ids = [tracker.track("before", ["before"])]
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        os.write(1, (tracker.track(f"child {number}", [f"child {number}"]) + "\\n").encode())
        os._exit(0 if tracker.flush(60) and tracker.counts.dropped == 0 else 1)
    children.append(child)
    ids.append(tracker.track("parent", ["parent"]))
codes = [os.waitpid(child, 0)[1] for child in children]
assert codes == [0] * 4, codes
assert tracker.flush(60)
print(*ids, sep="\\n", flush=True)
"""


# The child can open no file at first; an app is not stopped by its own measurements.
WITHOUT_FILE = """
import os, resource, sys
from lambda_learner.serve import Tracker
tracker = Tracker("songs", "http://127.0.0.1:9/", queue=sys.argv[1])
child = os.fork()
if child == 0:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most[1]))
    tracker.track("a", ["a"])
    resource.setrlimit(resource.RLIMIT_NOFILE, most)
    tracker.track("b", ["b"])  # not tried again yet
    tracker._mailbox._failed_s = float("-inf")
    tracker.track("c", ["c"])
    assert (tracker.counts.dropped, tracker.counts.waiting) == (2, 1), tracker.counts
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
tracker.close(0)
print("done")
"""


def app(url: str, queue: Path, number: int, threads: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", APP, url, str(queue), str(number), str(threads)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ids_until_done(running: subprocess.Popen[str]) -> list[str]:
    assert running.stdout is not None
    ids: list[str] = []
    for line in running.stdout:
        if line == "done\n":
            return ids
        ids.append(line.strip())
    raise AssertionError(ids)


def first_ids(running: subprocess.Popen[str], number: int) -> list[str]:
    assert running.stdout is not None
    return [running.stdout.readline().strip() for _ in range(number)]


def kill(running: subprocess.Popen[str]) -> list[str]:
    """End it as kill -9 does; give the whole lines that it had still printed."""
    assert running.stdout is not None
    running.send_signal(signal.SIGKILL)
    rest = running.stdout.read()  # after what was read ahead, which `communicate` would skip
    running.communicate(timeout=LONG_S)
    return [line.strip() for line in rest.splitlines(keepends=True) if line.endswith("\n")]


def end(running: subprocess.Popen[str]) -> None:
    running.communicate(timeout=LONG_S)
    assert running.returncode == 0


def send_what_is_left(server: TrackEndpoint, queue: Path) -> None:
    with Tracker("songs", server.url, queue=queue) as tracker:
        assert tracker.flush(LONG_S)


def test_what_a_killed_app_had_queued_is_sent_once_by_the_next(tmp_path: Path) -> None:
    server = TrackEndpoint()
    running = app(server.url, tmp_path / "queue", 100, threads=4)
    ids = ids_until_done(running)
    kill(running)
    with server:
        send_what_is_left(server, tmp_path / "queue")
    assert len(ids) == 400
    assert server.copies() == Counter(dict.fromkeys(ids, 1))


def test_an_app_killed_while_it_tracks_and_sends_loses_nothing(tmp_path: Path) -> None:
    with TrackEndpoint() as server:
        ids: list[str] = []
        for _ in range(3):
            running = app(server.url, tmp_path / "queue", 0, threads=4)
            ids += first_ids(running, 300)
            ids += kill(running)
        send_what_is_left(server, tmp_path / "queue")
        copies = server.copies()
    assert set(ids) <= set(copies)
    assert sum(number - 1 for number in copies.values()) <= 3 * 4  # kills, and the connections of each


def test_processes_that_share_a_queue_send_each_event_once(tmp_path: Path) -> None:
    with TrackEndpoint() as server:
        running = [app(server.url, tmp_path / "queue", 100) for _ in range(4)]
        ids = [id_ for each in running for id_ in ids_until_done(each)]
        for each in running:
            end(each)
        assert len(ids) == 400
        assert server.copies() == Counter(dict.fromkeys(ids, 1))


def test_another_process_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    with TrackEndpoint() as server:
        first = app(server.url, tmp_path / "queue", 10)
        ids = ids_until_done(first)
        second = app(server.url, tmp_path / "queue", 10)
        ids += ids_until_done(second)
        kill(first)
        end(second)
        assert set(server.copies()) == set(ids)


@pytest.mark.parametrize("queue", ["memory", "file"])
def test_after_a_fork_parent_and_children_go_on(queue: str, tmp_path: Path) -> None:
    with TrackEndpoint() as server:
        command = [sys.executable, "-c", FORKING, server.url, str(tmp_path / "queue") if queue == "file" else ""]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S * 2, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        ids = done.stdout.split()
        assert len(ids) == 9
        assert server.copies() == Counter(dict.fromkeys(ids, 1))


def test_a_child_that_ends_closes_nothing_of_its_parents(tmp_path: Path) -> None:
    program = FORKING.replace("os._exit(0 if", "sys.exit(0 if")
    with TrackEndpoint() as server:
        command = [sys.executable, "-c", program, server.url, str(tmp_path / "queue")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S * 2, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert server.copies() == Counter(dict.fromkeys(done.stdout.split(), 1))


def test_a_child_goes_on_alone_when_its_parent_is_gone(tmp_path: Path) -> None:
    program = """
import os, sys
from lambda_learner.serve import Tracker
tracker = Tracker("songs", sys.argv[1], queue=sys.argv[2])
def track(): os.write(1, (tracker.track("a", ["a"]) + "\\n").encode())
track()
tracker.flush(60)
gone, parent_ends = os.pipe()
if os.fork():
    track()
    os._exit(0)
os.close(parent_ends)
os.read(gone, 1)
for _ in range(20): track()
tracker.close(60)
"""
    with TrackEndpoint() as server:
        command = [sys.executable, "-c", program, server.url, str(tmp_path / "queue")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=True)
        ids = done.stdout.split()
        assert (len(ids), done.stderr) == (22, "")
        assert set(server.copies()) == set(ids)
        assert server.copies().total() <= 23  # the parent's last may have been under way


def test_a_program_that_never_closes_sends_before_it_ends() -> None:
    program = """
import sys
from lambda_learner.serve import Tracker
tracker = Tracker("songs", sys.argv[1])
for _ in range(20): print(tracker.track("a", ["a"]))
"""
    with TrackEndpoint() as server:
        done = subprocess.run([sys.executable, "-c", program, server.url], capture_output=True, text=True, check=True)
        assert server.copies() == Counter(dict.fromkeys(done.stdout.split(), 1))


def test_a_program_ends_though_the_endpoint_is_silent_and_keeps_the_event(tmp_path: Path) -> None:
    program = """
import sys
from lambda_learner.serve import Tracker
tracker = Tracker("songs", sys.argv[1], queue=sys.argv[2])
print(tracker.track("a", ["a"]))
tracker.flush(0.5)
tracker.close(0)
"""
    server = TrackEndpoint()
    command = [sys.executable, "-c", program, server.url, str(tmp_path / "queue")]
    with socket.create_server(("127.0.0.1", server.port)):  # connects, and no more
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LONG_S)
    with server:
        send_what_is_left(server, tmp_path / "queue")
    assert server.copies() == Counter([done.stdout.strip()])
    assert "1 events wait in" in done.stderr


def test_a_child_that_cannot_open_the_file_drops_its_events_and_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_FILE, str(tmp_path / "queue.db")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False)
    assert ended.stdout == "done\n", ended.stderr
    assert "events are dropped, 1 so far: queue" in ended.stderr
