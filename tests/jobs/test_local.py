"""Waiting for the end of a job, with objects in Flink's place."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Self

import pytest
from py4j.protocol import Py4JNetworkError

from jobs import local
from jobs.failure import JobFailed
from jobs.flink import Runtime
from jobs.local import execute


@dataclass
class Flink:
    """An environment, the client of its job and the job's future in one; `end` is how the job ends."""

    end: Callable[[], None]
    calls: list[str] = field(default_factory=list)
    looks: Iterator[Callable[[], bool]] = field(default_factory=lambda: repeat(lambda: True))

    def execute_async(self, name: str) -> Self:
        self.calls.append(f"execute {name}")
        return self

    def get_job_execution_result(self) -> Self:
        return self

    def done(self) -> bool:
        return next(self.looks)()

    def cancel(self) -> Self:
        self.calls.append("cancel")
        self.end = lambda: None
        return self

    def result(self) -> None:
        self.end()


def ended(flink: Flink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> local.Execution:
    def build(env: Any, tables: Any) -> None:
        assert (env, tables) == (flink, "tables")
        flink.calls.append("build")

    monkeypatch.setattr(local, "environments", lambda _: (flink, "tables"))
    return execute(Runtime(tmp_path), build, show_progress=False)


def test_a_job_runs_to_the_end_of_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flink = Flink(lambda: None)
    assert ended(flink, tmp_path, monkeypatch).ended
    assert flink.calls == ["build", "execute lambda-learner"]


def never() -> None:
    message = "the result of a job that was cancelled is not asked for"
    raise AssertionError(message)


def raised(number: signal.Signals) -> Callable[[], bool]:
    """A look at the job while which a signal comes."""

    def look() -> bool:
        signal.raise_signal(number)
        return False

    return look


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_job(number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flink = Flink(never, looks=chain([raised(number)], repeat(lambda: False)))
    assert not ended(flink, tmp_path, monkeypatch).ended
    assert flink.calls[-1] == "cancel"


def test_a_job_that_ends_as_the_signal_comes_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flink = Flink(lambda: None, looks=chain([raised(signal.SIGINT)], repeat(lambda: True)))
    assert ended(flink, tmp_path, monkeypatch).ended
    assert "cancel" not in flink.calls


def test_a_second_signal_ends_the_process_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = chain([raised(signal.SIGINT), raised(signal.SIGINT)], repeat(lambda: False))
    with pytest.raises(KeyboardInterrupt):
        ended(Flink(never, looks=looks), tmp_path, monkeypatch)


def test_after_the_job_signals_mean_what_they_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    flink = Flink(never, looks=chain([raised(signal.SIGTERM)], repeat(lambda: False)))
    ended(flink, tmp_path, monkeypatch)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_job_that_flink_gives_up_is_told_by_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        message = "x\n: java.io.IOException: disk full\n\tat a.b(C.java:1)\n"
        raise Py4JNetworkError(message)

    with pytest.raises(JobFailed, match="^the job failed: IOException: disk full\n"):
        ended(Flink(fail), tmp_path, monkeypatch)
    assert (tmp_path / "failure.txt").exists()


def test_a_bug_of_ours_is_no_failure_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        ended(Flink(fail), tmp_path, monkeypatch)
