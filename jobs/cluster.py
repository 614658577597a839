"""What `flink run -pym jobs.stream` runs: begins or resumes as `lambda-learner run` does, and leaves the job to Flink.

The machine that submits and the TaskManagers see the same folders: `stream.state`, and buckets and sources in files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.load import ConfigError, load
from config.settings import Settings
from config.source import FileSource
from config.warnings import warnings_of
from jobs.cluster_options import RESTORE_FROM, options_of
from jobs.connectors import add_jars, jars_of
from jobs.job_state import JobState, StateError
from jobs.replay import is_replay
from jobs.run import RunOptions, Start, decide, input_of, plan_of
from jobs.submitted import FINISHED, Submitted, refuse_if_running
from lambda_learner.publish.errors import BucketError

__all__ = ["main", "newest_state", "submit", "with_whole_paths"]

BAD_USAGE = 2  # exit code
SAVEPOINTS = "savepoints"  # the folder in the state folder where a savepoint is looked for, if -s names none


def main(arguments: Sequence[str] | None = None) -> None:
    """Submit the job that the arguments name; what a user can mend is told in a message."""
    parser = argparse.ArgumentParser(prog="jobs.stream", allow_abbrev=False, description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="the YAML configuration file")
    parser.add_argument("--fresh", action="store_true", help="learn the same history anew, in a new generation")
    parser.add_argument("--take-over", action="store_true", help="take the bucket from another job")
    given = parser.parse_args(arguments)
    try:
        settings = with_whole_paths(load(given.config))
        for warning in warnings_of(settings):
            _say(f"warning: {warning}")
        submitted = submit(settings, fresh=given.fresh, take_over=given.take_over)
    except (ConfigError, StateError, BucketError) as error:
        _say(str(error))
        sys.exit(BAD_USAGE)
    _say(f"submitted job {submitted.job_id} to {submitted.address}")


def submit(settings: Settings, *, fresh: bool, take_over: bool) -> Submitted:
    """Submit the job to the cluster that this process was started for, from `-s` or else the newest of its states."""
    _refuse_replay(settings)
    env, given = _environment()
    jars = jars_of(settings, _has_class)
    if fresh and RESTORE_FROM in given:
        message = f"--fresh learns anew, but -s goes on from {given[RESTORE_FROM]}: leave out one of them"
        raise StateError(message)
    state = JobState(Path(settings.stream.state))
    with state.locked():
        ended = refuse_if_running(state.folder, here=_address(given) if _is_application(given) else None)
        restore_from = given.get(RESTORE_FROM) or (None if fresh else newest_state(state, settings, ended))
        options = RunOptions(fresh=fresh, take_over=take_over, batch=False, restore_from=restore_from)
        start = decide(settings, options, state)
        add_jars(env, jars)
        submitted = Submitted(_execute(env, start, given), _address(given))
        submitted.write(state.folder)
    return submitted


def with_whole_paths(settings: Settings) -> Settings:
    """The settings with each path made absolute: a TaskManager works in another folder than the one here."""
    source = settings.stream.source
    if isinstance(source, FileSource):
        source = source.model_copy(update={"path": str(Path(source.path).resolve())})
    state = str(Path(settings.stream.state).resolve())
    stream = settings.stream.model_copy(update={"source": source, "state": state})
    urls = {name: _whole(getattr(settings.bucket, name)) for name in ("models", "train")}
    return settings.model_copy(update={"stream": stream, "bucket": settings.bucket.model_copy(update=urls)})


def _whole(url: str) -> str:
    scheme, _, path = url.partition(":")
    return url if scheme != "file" or path.startswith("/") else f"file:{Path(path).resolve()}"


def _refuse_replay(settings: Settings) -> None:
    if is_replay(input_of(settings), None):
        message = (
            "stream.source: the input has several files and an end, which is a replay: "
            "run `lambda-learner replay` for it; on a cluster set follow: true, or name a single file"
        )
        raise StateError(message)


def newest_state(state: JobState, settings: Settings, ended: str | None) -> str | None:
    """The newest checkpoint or savepoint of the unfinished run; None where there is nothing to go on from."""
    # A job that was stopped has no checkpoints any more; one that was started from its savepoint has newer ones.
    restore_from = state.newest_checkpoint() or _newest_savepoint(state.folder)
    if restore_from is None and ended == FINISHED:
        if not settings.stream.source.has_end:
            message = (
                f"the job was stopped, and its savepoint is not in {state.folder / SAVEPOINTS}: name it by "
                "flink run -s PATH, or start another run with --fresh"
            )
            raise StateError(message)
        state.finish()
    return restore_from


def _newest_savepoint(folder: Path) -> str | None:
    """Of the job that was last submitted; Flink names a savepoint by the first letters of the job's id."""
    submitted = Submitted.read(folder)
    found = (folder / SAVEPOINTS).glob(f"savepoint-{submitted.job_id[:6]}-*/_metadata") if submitted else ()
    newest = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    return None if newest is None else f"file://{newest.parent}"


def _environment() -> tuple[Any, Mapping[str, str]]:
    """The environment of the cluster, and the options that it and the command line give."""
    from pyflink.datastream import StreamExecutionEnvironment  # noqa: PLC0415 - needs the JVM that started this process

    env = StreamExecutionEnvironment.get_execution_environment()
    return env, dict(env._j_stream_execution_environment.getConfiguration().toMap())


def _has_class(name: str) -> bool:
    """Whether Flink has a Java class, in its lib/ folder or in a jar that the command line names."""
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 - see above

    jvm = get_gateway().jvm
    resource = f"{name.replace('.', '/')}.class"
    return jvm.Thread.currentThread().getContextClassLoader().getResource(resource) is not None


def _execute(env: Any, start: Start, given: Mapping[str, str]) -> str:
    """The id of the job, once the cluster has taken it."""
    from pyflink.common import Configuration  # noqa: PLC0415 - see above
    from pyflink.table import EnvironmentSettings, StreamTableEnvironment  # noqa: PLC0415

    from jobs.stream import build  # noqa: PLC0415

    configuration = Configuration()
    for key, value in options_of(start, given).items():
        configuration.set_string(key, value)
    env.configure(configuration)
    build(env, StreamTableEnvironment.create(env, EnvironmentSettings.in_streaming_mode()), plan_of(start), batch=False)
    return str(env.execute_async("lambda-learner").get_job_id())


def _is_application(given: Mapping[str, str]) -> bool:
    """Whether the cluster itself runs this, and has no other job."""
    return given.get("execution.target") == "embedded"


def _address(given: Mapping[str, str]) -> str:
    scheme = "https" if given.get("security.ssl.rest.enabled") == "true" else "http"
    return f"{scheme}://{given.get('rest.address', 'localhost')}:{given.get('rest.port', '8081')}"


def _say(text: str) -> None:
    sys.stderr.write(f"lambda-learner: {text}\n")
    sys.stderr.flush()
