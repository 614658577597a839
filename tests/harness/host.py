"""A process that runs one command line after another, for tests that only want what comes of a job.

Each start of Flink costs 11 s of CPU, 8 of them for a JVM that knows nothing yet; here one is warm. Tests of kills,
signals and starts have real processes of their own (`job.start`).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.harness.jvm import jvm_args

__all__ = ["run_in_host"]

ROOT = Path(__file__).parents[2]
_OF_PYTEST: Final = "PYTEST_CURRENT_TEST"


class Host:
    """The process and the environment that it was started with, which the JVM in it keeps."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._temporary = tempfile.TemporaryDirectory(prefix="host-")  # the JVM's, not of a state folder
        jvm = {"JVM_ARGS": f"{jvm_args()} -Djava.io.tmpdir={self._temporary.name}"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.host"],
            cwd=ROOT,
            env=jvm | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def run(self, arguments: Sequence[str], out: Path, err: Path) -> int:
        """Run a command line to its end; its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([list(arguments), str(out), str(err)]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the process ended at {' '.join(arguments)}:\n{err.read_text()[-6000:]}"
        return int(answer)

    def close(self) -> None:
        """End it and its JVM."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._temporary.cleanup()


_hosts: list[Host] = []  # the one that ran last at the end
MOST_HOSTS = 2  # of environments that tests have in turn: their own, and one with the keys of a service


def run_in_host(arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> int:
    """Run `lambda-learner` with these arguments to its end, in the process that did so before if it can."""
    host = _host_of({name: value for name, value in environment.items() if name != _OF_PYTEST})
    try:
        return host.run(arguments, out, err)
    except BaseException:
        _hosts.remove(host)
        host.close()
        raise


def _host_of(environment: Mapping[str, str]) -> Host:
    """The host with an environment, which has it from its start on."""
    host = next((each for each in _hosts if each.environment == environment), None)
    if host is not None:
        _hosts.remove(host)
    elif len(_hosts) == MOST_HOSTS:
        _hosts.pop(0).close()
    _hosts.append(host or Host(environment))
    return _hosts[-1]


@atexit.register
def _close() -> None:
    while _hosts:
        _hosts.pop().close()


def _serve() -> None:
    """Run what comes on stdin, a line of JSON for each, and tell the exit codes on what was stdout."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        arguments, out, err = json.loads(line)
        with _output_to(out, err):
            code = _run(arguments)
        print(code, file=answers)


def _run(arguments: list[str]) -> int:
    from jobs.console import main  # noqa: PLC0415 - into the file of the first command, should it fail

    sys.argv = ["lambda-learner", *arguments]
    try:
        main()
    except SystemExit as end:
        return _code(end.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _code(given: Any) -> int:
    if isinstance(given, str):
        print(given, file=sys.stderr)
        return 1
    return given or 0


@contextlib.contextmanager
def _output_to(out: str, err: str) -> Iterator[None]:
    with Path(out).open("wb") as out_file, Path(err).open("wb") as err_file:
        for number, file in ((1, out_file), (2, err_file)):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()


if __name__ == "__main__":
    _serve()
