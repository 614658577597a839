"""A service as a process: started on free ports, waited for, ended by its own id."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.services import lifeline

__all__ = ["Process", "ServiceError", "cache_folder", "listens", "run"]

START_SECONDS: Final = 90.0  # a JVM on a machine that has much else to do
STOP_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.05
LOG_BYTES: Final = 3_000  # of the end of a log, in an error


class ServiceError(RuntimeError):
    """A service cannot be had here; the message says why, and what to install."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where what was downloaded is kept between runs."""
    home = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "lambda-learner" / "services"


def listens(port: int) -> bool:
    """Whether something answers at a port of loopback."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def run(command: Sequence[str], folder: Path, what: str) -> None:
    """Run a command to its end; ServiceError with what it said when it fails."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        message = f"{what}: {command[0]} does not run ({error})"
        raise ServiceError(message) from error
    if done.returncode != 0:
        message = (
            f"{what}: {' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-LOG_BYTES:]}"
        )
        raise ServiceError(message)


class Process:
    """One command that serves until it is stopped; it may be started again. Its output goes to a file.

    It ends with the process that started it, also where that is killed.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, *, ready: Callable[[str], bool], environ: Mapping[str, str]
    ) -> None:
        """Take the command, and how its log, the text of this run, says that it is ready."""
        self._command, self._folder, self._ready, self._environ = list(command), folder, ready, dict(environ)
        self._log = folder / "service.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready; ServiceError with the end of its log when it ends before."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                cwd=self._folder,
                env={**os.environ, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt of the tests is not one of the service
            )
        lifeline.hold(self._process.pid)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready(text := self._log.read_text(errors="replace")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                message = f"{self._command[0]} is not ready; the end of its log:\n{text[-LOG_BYTES:]}"
                raise ServiceError(message)
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            lifeline.release(self._process.pid)

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            lifeline.release(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid
