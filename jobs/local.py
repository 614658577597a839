"""Executes the graph in a mini-cluster inside this process's JVM, and waits for its end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from py4j.protocol import Py4JError

from jobs import progress
from jobs.failure import job_failed
from jobs.flink import Runtime, environments

LOOK_SECONDS = 0.1  # between two looks whether the job has ended


class Execution(NamedTuple):
    """How long the job ran, and whether to the end of its input."""

    seconds: float
    ended: bool


def execute(runtime: Runtime, build: Callable[[Any, Any], None], *, show_progress: bool) -> Execution:
    """Run what `build` adds to the environments; SIGINT or SIGTERM cancels the job, and its checkpoints stay.

    Raises JobFailed when Flink gives the job up.
    """
    env, tables = environments(runtime)
    build(env, tables)
    try:
        return _await(env.execute_async("lambda-learner"), runtime, show_progress=show_progress)
    except Py4JError as error:
        raise job_failed(str(error), runtime.state) from error


def _await(client: Any, runtime: Runtime, *, show_progress: bool) -> Execution:
    """Wait for the end; a signal only sets an event: it must not break into a call of the JVM."""
    started = time.monotonic()
    future = client.get_job_execution_result()
    with _stop_signals() as stop:
        if show_progress:
            metrics = progress.JobMetrics(runtime.rest_port, str(client.get_job_id()))
            progress.show(metrics, lambda: stop.is_set() or future.done())
        while not future.done() and not stop.wait(LOOK_SECONDS):
            pass
        ended = bool(future.done())
        (future if ended else client.cancel()).result()
    return Execution(time.monotonic() - started, ended)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the process as ever."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
