"""Executes the graph in a mini-cluster inside this process's JVM, and waits for its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from jobs import progress
from jobs.flink import Runtime, environments


class Execution(NamedTuple):
    """How long the job ran, and whether to the end of its input."""

    seconds: float
    ended: bool


def execute(runtime: Runtime, build: Callable[[Any, Any], None], *, show_progress: bool) -> Execution:
    """Run what `build` adds to the environments; SIGINT or SIGTERM cancels the job, and its checkpoints stay."""
    env, tables = environments(runtime)
    build(env, tables)
    started = time.monotonic()
    client = env.execute_async("lambda-learner")
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
