from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.track import access_log
from jobs.track.access_log import AccessLog, render, standard_output
from jobs.track.outcome import Outcome
from tests.jobs.track.conftest import NOW_MS, Server

STORED = Outcome("POST", "/track", 200, "", "shop", 188, 0.0012345)
PIPE_BYTES = 4_096  # the least that a pipe holds


@dataclass
class Pipe:
    """A small pipe; its reader is the test."""

    reader: int | None
    writer: int

    def read(self) -> bytes:
        assert self.reader is not None
        return os.read(self.reader, 1 << 20)

    def close_reader(self) -> None:
        if self.reader is not None:
            os.close(self.reader)
        self.reader = None


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    pipe = Pipe(reader, writer)
    yield pipe
    pipe.close_reader()
    os.close(writer)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.touch()
    return path


@contextmanager
def logging_to(path: Path, max_bytes: int = 1 << 20) -> Iterator[AccessLog]:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    with AccessLog(descriptor, max_bytes=max_bytes, now_ms=lambda: NOW_MS) as log:
        yield log
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def told(log: bytes) -> list[int]:
    """For each whole line the number of requests that it tells of."""
    whole = log[: log.rfind(b"\n") + 1]
    return [json.loads(line).get("dropped_lines", 1) for line in whole.splitlines()]


def until(true: Callable[[], object]) -> None:
    """Wait until something is true; pytest's own limit ends a test that waits in vain."""
    while not true():
        time.sleep(0.001)


def test_a_line_tells_of_a_request() -> None:
    line = render(STORED, NOW_MS + 7)
    assert json.loads(line) == {
        "time": "2026-11-23T03:53:53.007Z",
        "method": "POST",
        "path": "/track",
        "status": 200,
        "reason": "",
        "project": "shop",
        "bytes": 188,
        "ms": 1.234,
    }
    assert line.endswith(b"}\n")


@pytest.mark.parametrize(
    "path", ["/\n/", '/"}\r\n{"status":200', "/\x00\x1b[31m\x7f\x85\x9b", "/\u2028\u2029", "/\udcff", "/\x7f", "/é🎧"]
)
def test_what_is_no_printable_character_cannot_break_a_line(path: str) -> None:
    line = render(STORED._replace(path=path), NOW_MS)
    assert json.loads(line)["path"] == path
    assert line[:-1].decode("ascii").isprintable()


@given(st.text(), st.text())
def test_a_line_is_one_line_of_printable_ascii_whatever_is_sent(method: str, path: str) -> None:
    outcome = STORED._replace(method=method, path=path)
    line = render(outcome, NOW_MS)
    assert line[:-1].decode("ascii").isprintable()
    assert json.loads(line)["path"] == path


def test_a_long_path_is_cut() -> None:
    path = json.loads(render(STORED._replace(path="/" + "a" * 60_000), NOW_MS))["path"]
    assert (len(path), path[-2:]) == (1_000, "a…")


def test_lines_are_written_in_order_and_all_of_them_at_the_end(file: Path) -> None:
    with logging_to(file) as log:
        for number in range(5_000):
            log(STORED._replace(bytes_read=number))
    assert [json.loads(line)["bytes"] for line in file.read_bytes().splitlines()] == list(range(5_000))


def test_lines_appear_while_the_endpoint_runs(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "FLUSH_SECONDS", 0.005)
    with logging_to(file) as log:
        log(STORED)
        until(lambda: file.stat().st_size > 0)


def test_many_lines_are_written_without_waiting_for_the_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "FLUSH_SECONDS", 3_600.0)
    with logging_to(file) as log:
        for _ in range(3_000):
            log(STORED)
        until(lambda: file.stat().st_size >= access_log.FLUSH_BYTES)


def test_what_is_written_makes_room_for_more(file: Path) -> None:
    log = AccessLog(os.open(file, os.O_WRONLY), max_bytes=1_000, now_ms=lambda: NOW_MS)
    for _ in range(100):
        log(STORED)
        log._flush()
    assert [json.loads(line)["status"] for line in file.read_bytes().splitlines()] == [200] * 100
    os.close(log._descriptor)


def test_a_pipe_that_nobody_reads_keeps_no_request_waiting_and_what_is_dropped_is_told(pipe: Pipe) -> None:
    got = b""
    with AccessLog(os.dup(pipe.writer), max_bytes=100_000, now_ms=lambda: NOW_MS) as log:
        for number in range(10_000):
            log(STORED._replace(bytes_read=number))
        while sum(told(got)) < 10_000:
            got += pipe.read()
    lines = [json.loads(line) for line in got.splitlines()]
    kept = [line["bytes"] for line in lines if "bytes" in line]
    assert 0 < len(kept) < 1_000
    assert kept == sorted(set(kept))
    assert sum(told(got)) == 10_000


def test_what_comes_while_the_last_lines_are_written_is_written_too(pipe: Pipe) -> None:
    log = AccessLog(os.dup(pipe.writer), now_ms=lambda: NOW_MS)
    for _ in range(100):
        log(STORED)
    with log:
        log._wake.set()
        until(lambda: not log._lines)  # the pipe is too small for them
        log(STORED)
        ending = threading.Thread(target=log.__exit__, args=(None, None, None))
        ending.start()
        until(lambda: log._ended)
        got = b""
        while len(told(got)) < 101:
            got += pipe.read()
        ending.join()


def test_a_pipe_that_nobody_reads_does_not_stop_the_end(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "CLOSE_SECONDS", 0.05)
    with AccessLog(os.dup(pipe.writer), now_ms=lambda: NOW_MS) as log:
        for _ in range(1_000):
            log(STORED)
    pipe.close_reader()
    log._thread.join()


def test_a_closed_pipe_ends_nothing_and_is_logged_once(
    pipe: Pipe, serving: Callable[..., Server], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "FLUSH_SECONDS", 0.001)
    pipe.close_reader()
    with AccessLog(os.dup(pipe.writer), now_ms=lambda: NOW_MS) as log:
        server = serving(observers=(log,))
        for _ in range(3):
            assert server.ask().status == 200
            until(lambda: not log._lines)
    (record,) = caplog.records
    assert (record.levelno, "Broken pipe" in record.getMessage()) == (logging.ERROR, True)


def test_after_a_failure_a_torn_line_is_ended_and_the_lost_lines_are_counted(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.set_blocking(pipe.writer, False)  # a full pipe fails instead of waiting
    log = AccessLog(pipe.writer, now_ms=lambda: NOW_MS)
    for _ in range(100):
        log(STORED)
    log._flush()
    first = pipe.read()
    assert not first.endswith(b"\n")
    log(STORED)
    log._flush()
    whole, torn, *rest = first.count(b"\n"), *pipe.read().splitlines()
    assert torn == b""
    assert [json.loads(line).get("status") for line in rest] == [200, None]
    assert json.loads(rest[1])["dropped_lines"] == 100 - whole


def test_what_could_never_be_written_is_counted_once_each(pipe: Pipe) -> None:
    pipe.close_reader()
    log = AccessLog(pipe.writer, now_ms=lambda: NOW_MS)
    for _ in range(3):
        log(STORED)
        log._flush()
    assert log._dropped == 3


def test_what_is_lost_after_a_torn_line_is_counted_once_too(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    log = AccessLog(pipe.writer, now_ms=lambda: NOW_MS)
    for _ in range(100):
        log(STORED)
    log._flush()
    before = log._dropped
    for _ in range(3):
        log(STORED)
        log._flush()
    assert (log._torn, log._dropped) == (True, before + 3)


def test_a_body_a_key_and_a_query_are_not_in_the_log(file: Path, serving: Callable[..., Server]) -> None:
    with logging_to(file) as log:
        serving(observers=(log,)).ask(b'{"secret": 1}', headers={"x-api-key": "ll_secret"})
    line = file.read_text()
    assert "secret" not in line
    assert json.loads(line)["reason"] == "missing_field"


@pytest.mark.parametrize("there", [True, False])
def test_standard_output_is_that_of_the_process_if_it_has_one(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    if not there:
        monkeypatch.setattr(sys, "stdout", None)
    descriptor = standard_output()
    os.write(descriptor, b"a line\n")
    os.close(descriptor)
    assert capfd.readouterr().out == ("a line\n" if there else "")
