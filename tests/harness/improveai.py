"""The real Improve AI client in an environment of its own: its pins fit no other (improve_protocol.md §9).

`python -m tests.harness.improveai` makes it and names its interpreter; where it is made already, that takes no time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.job import ROOT

# NumPy 2 breaks XGBoost 1.4.2 at the first score, xxhash 4 the encoder at the first string, and setuptools 81 has no
# pkg_resources, which the client imports.
PINS = ("improveai==8.0.0", "numpy<2", "xxhash<4", "setuptools<81")
PIP = ("--disable-pip-version-check", "--no-input", "--quiet")
LAST_LINES = 25  # of pip, in the error


class EnvironmentNotMade(RuntimeError):
    """An environment that cannot be made; the message ends with the last lines of what made it."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with these packages: made once, made anew when they change or its making was cut short."""

    folder: Path
    pins: tuple[str, ...]

    def python(self) -> Path:
        """Its interpreter; makes the environment (a minute or two) or waits for whoever does. EnvironmentNotMade."""
        if not self.is_made():
            with _locked(self.folder.with_name(f"{self.folder.name}.lock")) as lock:
                if not self.is_made():  # by the one that had the lock
                    self._make(lock)
        return self._python

    def is_made(self) -> bool:
        """Whether it is whole, of this Python and these packages, and where it was made."""
        try:
            return self._python.exists() and self._made.read_text() == self._recipe
        except FileNotFoundError:
            return False

    @property
    def _python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def _made(self) -> Path:
        return self.folder / ".made"

    @property
    def _recipe(self) -> str:
        return "\n".join((sys.version, str(self.folder), *self.pins))

    def _make(self, lock: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        _run("-m", "venv", "--without-pip", str(self.folder), lock=lock)
        _run("-m", "pip", "--python", str(self._python), "install", *PIP, *self.pins, lock=lock)
        self._made.write_text(self._recipe)


CLIENT = Environment(ROOT / ".venv-improveai", PINS)


def begin() -> None:
    """Have a process of its own make the client's environment, early: `CLIENT.python` waits, and tells what is wrong.

    The process outlives this one, if need be: the next run finds what it has made.
    """
    if not CLIENT.is_made():
        background = '"$0" -m tests.harness.improveai >/dev/null 2>&1 </dev/null &'
        subprocess.run(["/bin/sh", "-c", background, sys.executable], cwd=ROOT, check=True)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Wait for the lock and hold it; give its descriptor. It goes with the last process that has the descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _run(*arguments: str, lock: int) -> None:
    """Run this Python; it holds the lock too, so that nobody begins anew while it goes on after this process's end."""
    command = [sys.executable, *arguments]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, pass_fds=(lock,)
    )
    if ended.returncode != 0:
        told = "\n".join((ended.stdout + ended.stderr).splitlines()[-LAST_LINES:])
        message = f"{' '.join(arguments)} ended with {ended.returncode}; its last lines:\n{told}"
        raise EnvironmentNotMade(message)


if __name__ == "__main__":
    sys.stdout.write(f"{CLIENT.python()}\n")
