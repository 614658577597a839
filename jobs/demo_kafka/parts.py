"""One of our commands as a process of its own: started, watched, ended by its id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.services import lifeline

__all__ = ["Part", "PartEnded"]

STOP_SECONDS: Final = 40.0  # of a job that cancels, or a worker in the middle of a tree; then it is killed
TOLD_CHARACTERS: Final = 2_000  # of the end of what it said, in an error


class PartEnded(RuntimeError):
    """A part has ended by itself; the message has the end of what it said."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        """Name the part, its exit code and its log."""
        told = log.read_text(errors="replace")[-TOLD_CHARACTERS:]
        super().__init__(f"{name} has ended with code {code}; the end of {log}:\n{told}")


class Part:
    """`lambda-learner COMMAND …` while the context lasts. Its output goes to NAME.out, what it says to NAME.log.

    A terminal's interrupt does not reach it: it is ended in its turn, and what it has started with it. It ends as well
    when the process that started it is killed.
    """

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        """Name the part, the arguments of its command, and the folder of its two files."""
        self.name, self._arguments = name, arguments
        self.output, self.log = folder / f"{name}.out", folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it; it is not ready yet."""
        with self.output.open("wb") as output, self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "jobs.cli", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                start_new_session=True,
            )
        lifeline.hold(self._process.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def check(self) -> None:
        """Raise PartEnded if it does not run any more."""
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            raise PartEnded(self.name, code, self.log)

    def stop(self) -> None:
        """Ask it to end, and end it with all its children when it does not; idempotent."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)  # the session that it began, under its own id
                self._process.wait()
        lifeline.release(self._process.pid)
