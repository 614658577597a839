from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobs.track.event_folder import EventFolder, Rotation, TrackError
from jobs.track.event_log import EventLog
from jobs.track.queued import QueuedSink
from jobs.track.sink import NotStoredError
from jobs.track.waiting import LINE_BYTES
from lambda_learner.events.accept import Stored
from operators.files import Line, plan_folder, read_chunk

PATIENCE_SECONDS = 5.0


def event(line: bytes) -> Stored:
    return Stored(line, "")


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@dataclass
class Disk(EventFolder):
    """A folder in memory whose writes the test holds up, or lets fail."""

    groups: list[bytes] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

    def open(self, now_ms: int) -> list[Path]:
        return []

    def write(self, lines: bytes, now_ms: int) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error
        self.groups.append(lines)

    def beat(self, now_ms: int) -> None:
        pass

    def wait_ms(self, now_ms: int) -> int:
        return 1_000

    def close(self, now_ms: int) -> None:
        self.closed = True


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def log(disk: Disk) -> QueuedSink:
    return QueuedSink(EventLog(disk), max_waiting_bytes=5 * (LINE_BYTES + 10))


def held_up(log: QueuedSink, disk: Disk) -> Future[None]:
    """Make the disk busy with a first line."""
    disk.gate.clear()
    first = log.append(event(b"first\n"))
    assert disk.entered.wait(PATIENCE_SECONDS)
    return first


def test_no_line_is_stored_before_the_disk_says_so(log: QueuedSink, disk: Disk) -> None:
    log.open()
    first = held_up(log, disk)
    assert not first.done()
    disk.gate.set()
    first.result(PATIENCE_SECONDS)
    log.close()


def test_lines_that_gather_while_the_disk_is_busy_are_written_together(log: QueuedSink, disk: Disk) -> None:
    log.open()
    stored = [held_up(log, disk), *(log.append(event(b"%d\n" % number)) for number in range(3))]
    disk.gate.set()
    for each in stored:
        each.result(PATIENCE_SECONDS)
    assert disk.groups == [b"first\n", b"0\n1\n2\n"]
    log.close()


def test_more_than_may_wait_is_refused_until_there_is_room(log: QueuedSink, disk: Disk) -> None:
    log.open()
    stored = [held_up(log, disk), *(log.append(event(b"0123456789")) for _ in range(4))]
    with pytest.raises(NotStoredError, match=r"more than \d+ bytes of events wait"):
        log.append(event(b"0123456789"))
    disk.gate.set()
    for each in stored:
        each.result(PATIENCE_SECONDS)
    log.append(event(b"0123456789")).result(PATIENCE_SECONDS)
    log.close()


def test_a_disk_error_refuses_the_lines_that_met_it_and_only_them(
    log: QueuedSink, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    log.open()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            disk.error = OSError("no space left")
            with pytest.raises(NotStoredError, match="no space left"):
                log.append(event(b"bad\n")).result(PATIENCE_SECONDS)
        until(lambda: log.problem == "no space left")
        disk.error = None
        log.append(event(b"good\n")).result(PATIENCE_SECONDS)
        until(lambda: log.problem is None)
    assert disk.groups == [b"good\n"]
    assert [record.getMessage() for record in caplog.records] == [
        "events cannot be stored or made visible, and will be tried again: no space left",
        "events are stored and made visible again",
    ]
    log.close()


def test_closing_stores_what_waits_and_then_takes_no_more(log: QueuedSink, disk: Disk) -> None:
    log.open()
    stored = [held_up(log, disk), log.append(event(b"second\n"))]
    closing = threading.Thread(target=log.close)
    closing.start()
    disk.gate.set()
    closing.join(PATIENCE_SECONDS)
    assert all(each.done() for each in stored)
    assert disk.groups == [b"first\n", b"second\n"]
    assert disk.closed
    with pytest.raises(NotStoredError, match="closed"):
        log.append(event(b"third\n"))


def test_after_a_bug_nobody_waits_for_ever_and_closing_raises_it(disk: Disk) -> None:
    told = threading.Event()
    log = QueuedSink(EventLog(disk), on_bug=told.set)
    log.open()
    stored = [held_up(log, disk), log.append(event(b"second\n"))]
    disk.error = ValueError("a bug")
    disk.gate.set()
    for each in stored:
        with pytest.raises(NotStoredError):
            each.result(PATIENCE_SECONDS)
    assert told.wait(PATIENCE_SECONDS)
    with pytest.raises(NotStoredError):
        log.append(event(b"third\n"))
    assert log.problem == "the sink has failed"
    with pytest.raises(ValueError, match="a bug"):
        log.close()


def test_a_last_file_that_cannot_appear_is_told(log: QueuedSink, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(now_ms: int) -> None:
        message = "no space left"
        raise OSError(message)

    log.open()
    monkeypatch.setattr(disk, "close", failing)
    with pytest.raises(TrackError, match="no space left.*the next start will finish it"):
        log.close()


def test_files_appear_by_themselves_while_it_runs(tmp_path: Path) -> None:
    log = QueuedSink(EventLog(EventFolder(tmp_path, Rotation(after_ms=100))))
    log.open()
    log.append(event(b"a\n")).result(PATIENCE_SECONDS)
    until(lambda: plan_folder(str(tmp_path)))
    first = list(read_chunk(plan_folder(str(tmp_path))[0]))
    log.close()
    assert isinstance(first[0], Line)
    assert first[0].data == b"a"
    assert isinstance(first[-1], Line)
    assert b"heartbeat" in first[-1].data


def test_lines_of_many_threads_are_all_stored_once(tmp_path: Path) -> None:
    log = QueuedSink(EventLog(EventFolder(tmp_path, Rotation(after_ms=50))))
    log.open()

    def send(name: int) -> None:
        for number in range(100):
            log.append(event(b"%d-%d\n" % (name, number))).result(PATIENCE_SECONDS)

    threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = [line.data for chunk in plan_folder(str(tmp_path)) for line in read_chunk(chunk)]
    events = [line for line in lines if b"heartbeat" not in line]
    assert sorted(events) == sorted(b"%d-%d" % (name, number) for name in range(4) for number in range(100))
