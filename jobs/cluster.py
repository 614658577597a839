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
from jobs.checkpoint_place import place_of
from jobs.checkpoints import reopen_parts
from jobs.cluster_options import RESTORE_FROM, options_of, warnings_of_cluster
from jobs.cluster_state import Chosen, newest_state
from jobs.connectors import add_jars, jars_of
from jobs.job_state import JobState, StateError
from jobs.replay import is_replay
from jobs.run import RunOptions, Start, decide, input_of, plan_of
from jobs.sent import own_wheel, sent_with_wheel
from jobs.submitted import Submitted, refuse_if_running
from lambda_learner.publish.errors import BucketError

__all__ = ["main", "submit", "with_whole_paths"]

BAD_USAGE = 2  # exit code


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
    for warning in warnings_of_cluster(_address(given)):
        _say(f"warning: {warning}")
    state = JobState(Path(settings.stream.state), settings.checkpoints)
    with state.locked():
        ended = refuse_if_running(state.folder, here=_address(given) if _is_application(given) else None)
        is_told = fresh or RESTORE_FROM in given
        chosen = Chosen(given.get(RESTORE_FROM)) if is_told else newest_state(state, settings, ended, _gateway())
        options = RunOptions(fresh=fresh, take_over=take_over, batch=False, restore_from=chosen.path)
        start = decide(settings, options, state)
        _go_back(chosen, state)
        add_jars(env, jars)
        submitted = Submitted(_execute(env, start, given), _address(given), chosen.path)
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


def _go_back(chosen: Chosen, state: JobState) -> None:
    """Where newer checkpoints are damaged, say so, and let the sinks go on as they were at the one that is not."""
    for problem in chosen.problems:
        _say(f"warning: {problem}: going back to the one before it")
    if chosen.path is not None and chosen.problems:
        reopen_parts(chosen.path, place_of(chosen.path, state.places()), state.outputs)


def _environment() -> tuple[Any, Mapping[str, str]]:
    """The environment of the cluster, and the options that it and the command line give."""
    from pyflink.datastream import StreamExecutionEnvironment  # noqa: PLC0415 - needs the JVM that started this process

    env = StreamExecutionEnvironment.get_execution_environment()
    return env, dict(env._j_stream_execution_environment.getConfiguration().toMap())


def _gateway() -> Any:
    """The way to the JVM that started this process."""
    from pyflink.java_gateway import get_gateway  # noqa: PLC0415 - see above

    return get_gateway()


def _has_class(name: str) -> bool:
    """Whether Flink has a Java class, in its lib/ folder or in a jar that the command line names."""
    jvm = _gateway().jvm
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
    tables = StreamTableEnvironment.create(env, EnvironmentSettings.in_streaming_mode())
    with sent_with_wheel(own_wheel()):
        build(env, tables, plan_of(start), batch=False)
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
