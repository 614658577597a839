"""Runs the main job on this machine: claims the bucket, begins or resumes, ends with the summary."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.settings import Settings
from config.source import KafkaSource
from jobs.beginning import begin, policies_of, resumed, shards_of
from jobs.connectors import add_jars, jars_of, plugin_of
from jobs.flink import Runtime
from jobs.job_state import Beginning, JobState, StateError
from jobs.local import Execution, execute
from jobs.ports import free_port
from jobs.replay import go_live, is_replay
from jobs.rewinding import begins_anew, for_these_windows, rewind_of, usable
from jobs.sinks import make_topics, sinks_of, some_are_gone
from jobs.summary import lines_counted, summarise, write_scores
from lambda_learner.archive.forgotten import read_all_forgotten
from lambda_learner.policy import Policies
from lambda_learner.publish.owner import claim
from lambda_learner.publish.s3_address import parse_address
from lambda_learner.publish.store import open_store
from operators.files import FileChunk, plan_folder
from operators.rewind import WINDOWS
from operators.warm_start import WarmStart

if TYPE_CHECKING:
    from jobs.s3_plugin import S3Plugin
    from jobs.stream import Plan


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to the settings.

    `batch` None: as the input is (`is_replay`). `restore_from` None: the newest checkpoint in the state folder.
    """

    scores: Path | None = None
    fresh: bool = False
    take_over: bool = False
    batch: bool | None = None
    show_progress: bool = True
    restore_from: str | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A run whose beginning is decided: fresh, or that of the run which it resumes."""

    settings: Settings
    options: RunOptions
    state: JobState
    beginning: Beginning
    policies: Policies
    epoch: int
    batch: bool


def run(settings: Settings, options: RunOptions) -> dict[str, Any]:
    """Run to the end of the input and give the summary; a followed folder has no end."""
    state = JobState(Path(settings.stream.state).resolve(), settings.checkpoints)
    _refuse_unwritable(options.scores)
    jars_of(settings)  # first: what is missing must not take the bucket
    if not options.batch:  # a replay has no checkpoints
        plugin_of(settings)
    with state.locked():
        start = decide(settings, options, state)
        lines_before = lines_counted(state.outputs)  # not 0 where the run is resumed
        execution = _execute(start)
        if execution.ended and start.batch:
            go_live(open_store(settings.bucket.models), start.policies, epoch=start.epoch)
        return _finish(options, state, execution, lines_before=lines_before)


def decide(settings: Settings, options: RunOptions, state: JobState) -> Start:
    """Claim the bucket, begin or resume, and keep that in the state folder, which the caller has locked."""
    make_topics(settings)
    store = open_store(settings.bucket.models)
    held = None if options.fresh else state.beginning()
    if held is not None:
        state.refuse_elsewhere()
    chunks = input_of(settings) if held is None else []  # first: a wrong path must not take the bucket
    epoch = claim(store, state.owner_id(), take_over=options.take_over)
    if held is None:
        beginning = begin(settings, store, chunks=chunks, fresh=options.fresh)
    else:
        beginning = resumed(settings, store, held)
    beginning, batch = _keep(beginning, options, state, is_new=held is None)
    policies = policies_of(settings, beginning.generations, shards_of(store, beginning.generations))
    return Start(settings, options, state, beginning, policies, epoch, batch)


def _keep(beginning: Beginning, options: RunOptions, state: JobState, *, is_new: bool) -> tuple[Beginning, bool]:
    """Keep what the run begins or goes on with in the state folder; that, and whether it is a replay."""
    batch = is_replay(beginning.chunks, options.batch)
    newest = state.newest_checkpoint()
    restore_from = options.restore_from or newest
    if is_new or batch or restore_from is None or begins_anew(beginning):
        beginning = replace(beginning, windows=WINDOWS, rewound=None)
        state.begin(beginning)
    else:
        beginning = for_these_windows(beginning, restore_from, state.outputs, is_newest=restore_from == newest)
        state.keep(beginning)
        if restore_from == newest:  # else the one that is gone on from may be of an older attempt
            state.forget_older_attempts()
    return beginning, batch


def _refuse_unwritable(scores: Path | None) -> None:
    """StateError for scores that could not be written when the run has ended."""
    if scores is None:
        return
    try:
        scores.parent.mkdir(parents=True, exist_ok=True)
        scores.open("a").close()
    except OSError as error:
        message = f"--scores: cannot write {scores}: {error.strerror}; name another file"
        raise StateError(message) from error


def input_of(settings: Settings) -> list[FileChunk]:
    """The chunks of an input that ends, none of one without end; StateError for an input without events."""
    source = settings.stream.source
    if isinstance(source, KafkaSource):
        return []
    if source.follow:
        Path(source.path).mkdir(parents=True, exist_ok=True)
        return []
    chunks = plan_folder(source.path)
    if not chunks:
        message = f"stream.source.path: no events in {source.path}: name a file or folder with some, or follow: true"
        raise StateError(message)
    return chunks


def _execute(start: Start) -> Execution:
    stream = start.settings.stream
    rewound = start.beginning.rewound
    checkpoints = [] if start.batch else usable(start.state.checkpoints(), rewound)
    runtime = Runtime(
        state=start.state.folder,
        mode="batch" if start.batch else "streaming",
        python_mode=stream.python_mode,
        parallelism=stream.parallelism,
        checkpoint_interval_ms=stream.checkpoint_interval_ms,
        restore_from=next(iter(checkpoints), None),
        rest_port=free_port(),
        fall_back_to=checkpoints[1:],
        leaves_state=not start.batch and leaves_state(start),
        places=start.state.places(),
        s3=None if start.batch else s3_plugin(start.settings),
    )

    def build(env: Any, tables: Any) -> None:
        from jobs.stream import build as build_graph  # noqa: PLC0415 - PyFlink needs the Java that was found by now

        add_jars(env, jars_of(start.settings))
        build_graph(env, tables, plan_of(start), batch=start.batch)

    return execute(runtime, build, show_progress=start.options.show_progress)


def s3_plugin(settings: Settings) -> S3Plugin | None:
    """What Flink needs for checkpoints in S3; None where they are in the state folder."""
    jar = plugin_of(settings)
    if jar is None or settings.checkpoints is None:
        return None
    from jobs.s3_plugin import S3Plugin  # noqa: PLC0415 - takes boto3 0.2 s

    return S3Plugin(jar, parse_address(settings.checkpoints))


def leaves_state(start: Start) -> bool:
    """Whether a checkpoint may have state that nothing takes: of sinks that are gone, of windows of another form."""
    return some_are_gone(start.state.folder, start.settings) or start.beginning.rewound is not None


def plan_of(start: Start) -> Plan:
    """What the graph is built from."""
    from jobs.stream import Plan  # noqa: PLC0415 - see above
    from jobs.trigger import triggers_of  # noqa: PLC0415
    from operators.publish import PublishSettings  # noqa: PLC0415

    bucket, pinned = start.settings.bucket.models, start.beginning.pinned
    sinks = sinks_of(start.settings, start.state.owner_id(), batch=start.batch)
    return Plan(
        stream=start.settings.stream,
        policies=start.policies,
        chunks=start.beginning.chunks,
        warm_start=WarmStart(bucket, pinned),
        publish=PublishSettings(
            bucket=bucket,
            epoch=start.epoch,
            interval_ms=start.settings.stream.publish_interval_ms,
            once=start.batch,
            gc_grace_ms=start.settings.stream.gc_grace_ms,
            pinned=frozenset(entry.key for entries in pinned.values() for entry in entries),
            max_record_bytes=next((each.max_record_bytes for each in sinks if each.output == "coefficients"), None),
        ),
        outputs=str(start.state.outputs),
        with_scores=start.options.scores is not None,
        train_bucket=start.settings.bucket.train if start.settings.stream.archive else None,
        triggers=triggers_of(start.settings, start.beginning.origin),
        forgotten=read_all_forgotten(open_store(start.settings.bucket.train)),
        sinks=sinks,
        rewind=rewind_of(start.settings, start.policies, start.beginning.rewound),
    )


def _finish(options: RunOptions, state: JobState, execution: Execution, *, lines_before: int) -> dict[str, Any]:
    scores = options.scores
    if scores is not None and not write_scores(state.outputs, scores, ended=execution.ended):
        scores = None
    summary = summarise(
        state.outputs,
        seconds=execution.seconds,
        scores=scores,
        ended=execution.ended,
        lines_before=lines_before,
    )
    if execution.ended:
        state.summary.write_text(json.dumps(summary))
        state.finish()
    return summary
