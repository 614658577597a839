"""Executes the graph in a mini-cluster inside this process's JVM, and waits for its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from py4j.protocol import Py4JError

from jobs import progress
from jobs.failure import job_failed
from jobs.flink import Runtime, environments


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
    started = time.monotonic()
    future = client.get_job_execution_result()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if show_progress:
            progress.show(progress.JobMetrics(runtime.rest_port, str(client.get_job_id())), future.done)
        future.result()
    except KeyboardInterrupt:
        client.cancel().result()
        return Execution(time.monotonic() - started, ended=False)
    return Execution(time.monotonic() - started, ended=True)
