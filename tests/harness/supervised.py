"""A job under a supervisor: started again when it gives up for what was done to it, and for nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.flink_metrics import late_records_dropped
from tests.harness.job import PATIENCE_SECONDS, Finished, Job, Running

__all__ = ["Supervised"]

LOOK_SECONDS = 0.1
GIVEN_UP, CANNOT_START = 1, 2  # exit codes
REASONS = ("the job failed:", "cannot ")  # what is said when a part of it is away


@dataclass
class Supervised:
    """The runs of one job; `told` says what became of them, `dropped` what Flink counted as late in each."""

    job: Job
    told: list[str] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    _is_ill: bool = False  # a part that it needs is away now
    _may_give_up: bool = False  # for what was done to it since it was started
    _running: Running | None = None

    @property
    def running(self) -> Running:
        """The run of now."""
        assert self._running is not None
        return self._running

    def start(self) -> None:
        """Start it, from what it has in its state folder."""
        assert self._running is None
        self._running, self._may_give_up = self.job.start(), self._is_ill

    def kill(self) -> None:
        """Kill -9 all of it."""
        self._look()
        self.running.kill()
        self._running = None

    def terminate(self) -> Finished:
        """End it in order; what it says then."""
        self._look()
        self.running.interrupt(signal.SIGTERM)
        end = self.running.wait()
        self._running = None
        return end

    def kill_one(self, words: str) -> None:
        """Kill -9 the process of the job whose command line has these words, once it is there."""
        self.until(lambda: self.pids(words), words)
        self._look()
        self._may_give_up = True
        for pid in self.pids(words):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextmanager
    def without(self, seconds: float) -> Iterator[None]:
        """For so long before the context ends, the job is without something that it needs."""
        end = time.monotonic() + seconds
        self._is_ill = self._may_give_up = True
        yield
        self.until(lambda: time.monotonic() > end, "end of a fault")
        self._is_ill = False

    def until(self, true: Callable[[], object], what: str) -> None:
        """Wait until something is true, and start the job again where it gave up."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            self.revive()
            assert time.monotonic() < deadline, f"no {what} in {PATIENCE_SECONDS:.0f} s\n{self.said()}"
            time.sleep(LOOK_SECONDS)

    def revive(self) -> None:
        """Start it again if it has given up; fails where nothing was done that would explain it."""
        if self.running.process.poll() is None:
            return
        end = self.running.wait()
        line = next((line for line in reversed(end.err.splitlines()) if line.startswith("lambda-learner: ")), end.err)
        self.told.append(f"ended with {end.code}: {line[-300:]}")
        assert end.code in (GIVEN_UP, CANNOT_START), end.err[-6000:]
        assert any(reason in end.err for reason in REASONS), end.err[-6000:]
        assert self._may_give_up, f"it gave up without a cause:\n{end.err[-6000:]}"
        self._running = None
        self.start()

    def pids(self, words: str) -> list[int]:
        """The processes of the job whose command line has these words."""
        return [pid for pid in self.running.members() if words in _command_line(pid)]

    def close(self) -> None:
        """Leave nothing running."""
        if self._running is not None:
            self._running.kill()
            self._running = None

    def said(self) -> str:
        """The end of what the run of now has written."""
        return "" if self._running is None else self._running.err.read_text()[-3000:]

    def _look(self) -> None:
        """Keep what Flink has counted, before the process that knows it goes."""
        found = late_records_dropped(self.running.members())
        if found is not None:
            self.dropped.append(found)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
