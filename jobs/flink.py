"""The Flink environment of a local run: a mini-cluster in this process's JVM, listening on loopback only."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from config.kinds import MAX_PARALLELISM
from jobs.checkpoint_place import Place, folder_place, place_of
from jobs.java import use_java
from jobs.job_state import KEPT_CHECKPOINTS
from jobs.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from jobs.s3_plugin import S3Plugin

_log = logging.getLogger(__name__)
# Garbage a batch at a time, and much room for what lives shortly: 8 % and 5 % less CPU, and pauses matter little. Half
# of the memory that the JVM may take (a quarter of the machine's) from the start, and what has lived through two
# collections is a window's, kept for long: 6 % less.
# C2, the JVM's second compiler, waits for four times as many calls as by default and takes half as long.
JVM_ARGS = (
    "-XX:+UseParallelGC -XX:NewRatio=1 -XX:InitialRAMPercentage=12 -XX:-UseAdaptiveSizePolicy "
    "-XX:MaxTenuringThreshold=2 -XX:Tier4InvocationThreshold=20000 -XX:Tier4MinInvocationThreshold=5000 "
    "-XX:Tier4CompileThreshold=60000 -XX:Tier4BackEdgeThreshold=160000"
)
# In batch mode only the current key has state, and process mode answers a timer when its key is gone: so threads.
BATCH_OPTIONS = {"python.execution-mode": "thread"}


@dataclass(frozen=True, slots=True)
class Runtime:
    """How the graph is executed: where state goes, from which checkpoint it starts, in which mode."""

    state: Path
    mode: Literal["streaming", "batch"] = "streaming"
    python_mode: Literal["thread", "process"] = "thread"
    parallelism: int = 1
    checkpoint_interval_ms: int = 10_000
    restore_from: str | None = None
    rest_port: int = 0
    fall_back_to: Sequence[str] = ()  # older checkpoints, should `restore_from` be damaged
    leaves_state: bool = False  # that of operators which are no more, when it goes on from a checkpoint
    places: Sequence[Place] = ()  # of checkpoints, new ones in the first; none: in the state folder
    s3: S3Plugin | None = None  # for checkpoints in S3

    @property
    def checkpoint_places(self) -> Sequence[Place]:
        """Where checkpoints are, the place of new ones first."""
        return self.places or [folder_place(self.state / "checkpoints")]


def environments(runtime: Runtime) -> tuple[Any, Any]:
    """The stream and the table environment; starts the JVM."""
    use_java()
    use_jvm_args(os.environ, runtime.state / "tmp")
    from pyflink.common import Configuration  # noqa: PLC0415 - PyFlink reads JAVA_HOME when it is imported
    from pyflink.datastream import StreamExecutionEnvironment  # noqa: PLC0415
    from pyflink.table import EnvironmentSettings, StreamTableEnvironment  # noqa: PLC0415

    if runtime.s3 is not None:
        _load_plugin(runtime.s3, runtime.state)
    configuration = Configuration()
    for key, value in options(_with_whole_checkpoint(runtime)).items():
        configuration.set_string(key, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    batch = runtime.mode == "batch"
    settings = EnvironmentSettings.in_batch_mode() if batch else EnvironmentSettings.in_streaming_mode()
    return env, StreamTableEnvironment.create(env, settings)


def _load_plugin(plugin: S3Plugin, state: Path) -> None:
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 - see above

    from jobs.s3_plugin import load_plugin  # noqa: PLC0415 - takes boto3 0.2 s

    load_plugin(plugin, get_gateway(), state / "tmp")


def _with_whole_checkpoint(runtime: Runtime) -> Runtime:
    """The run from the newest checkpoint that can be used; StateError where none of them can."""
    if runtime.restore_from is None or not runtime.fall_back_to:
        return runtime
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 - see above

    from jobs.checkpoints import reopen_parts, whole_checkpoint  # noqa: PLC0415

    places = runtime.checkpoint_places
    found, problems = whole_checkpoint([runtime.restore_from, *runtime.fall_back_to], places, get_gateway())
    for problem in problems:
        _log.warning("%s: going back to the one before it", problem)
    if problems:
        reopen_parts(found, place_of(found, places), runtime.state / "outputs")
    return replace(runtime, restore_from=found)


def use_jvm_args(environ: MutableMapping[str, str], temporary: Path) -> None:
    """Sets the JVM's arguments, with a folder for its temporary files: of a job that is killed they stay, some 200 MB.

    Whoever names another folder keeps it, and so does a process whose JVM runs: idempotent. None is named whose path
    has a space, at which PyFlink cuts the arguments.
    """
    given = environ.setdefault("JVM_ARGS", JVM_ARGS)
    if "-Djava.io.tmpdir=" not in given and " " not in str(temporary):
        environ["JVM_ARGS"] = f"{given} -Djava.io.tmpdir={empty_folder(temporary)}"


def empty_folder(folder: Path) -> Path:
    """The folder, without what another run has left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def options(runtime: Runtime) -> dict[str, str]:
    """Flink's options for a run."""
    common = {
        "python.execution-mode": runtime.python_mode,
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "python.fn-execution.bundle.time": "100",  # ms; the default of 1,000 is a second of latency a hop
        "parallelism.default": str(runtime.parallelism),
        # What Flink takes by itself for a few: fixed, a checkpoint fits any number of them.
        "pipeline.max-parallelism": str(MAX_PARALLELISM),
        "rest.port": str(runtime.rest_port or free_port()),
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "jobmanager.bind-host": LOOPBACK,
        "jobmanager.rpc.address": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.host": LOOPBACK,
        "table.local-time-zone": "UTC",
        "metrics.fetcher.update-interval": "1 s",  # of what progress shows; 10 s by default
        # Without it each row that is cut from a chunk copies the whole chunk: 25 µs a row.
        "pipeline.object-reuse": "true",
        "execution.runtime-mode": runtime.mode,
    }
    return common | (_streaming_options(runtime) if runtime.mode == "streaming" else BATCH_OPTIONS)


def _streaming_options(runtime: Runtime) -> dict[str, str]:
    options = {
        # Event times have a resolution of a second: with an interval of 0 the watermark moves with each row that
        # moves event time on, so which rows are late depends on the input alone (at parallelism 1).
        "pipeline.auto-watermark-interval": "0 ms",
        "table.optimizer.agg-phase-strategy": "ONE_PHASE",  # nearly every key of the join is seen once or twice
        "execution.checkpointing.interval": f"{runtime.checkpoint_interval_ms} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": runtime.checkpoint_places[0].directory,
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.num-retained": str(KEPT_CHECKPOINTS),
        # Where checkpoints are kept may be away for minutes; a job that restarts for it would not be better off.
        "execution.checkpointing.tolerable-failed-checkpoints": "10",
        # Three restarts in a row, then the job is given up; one that has run for ten minutes since counts from 0 again.
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": "3",
        "restart-strategy.exponential-delay.initial-backoff": "1 s",
        "restart-strategy.exponential-delay.max-backoff": "10 s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "10 min",
    }
    if runtime.restore_from:
        options["execution.state-recovery.path"] = runtime.restore_from
    if runtime.leaves_state:
        options["execution.state-recovery.ignore-unclaimed-state"] = "true"
    return options
