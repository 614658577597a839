"""Runs the main job on this machine: claims the bucket, begins or resumes, shows progress, ends with the summary."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from config.settings import Settings
from jobs import progress
from jobs.beginning import begin, policies_of, shards_of
from jobs.flink import Runtime, environments, free_port
from jobs.job_state import Beginning, JobState, StateError
from jobs.summary import summarise, write_scores
from lambda_learner.publish.generation import publish_generation
from lambda_learner.publish.owner import claim
from lambda_learner.publish.store import Store, open_store
from operators.files import event_files
from operators.part_files import part_lines
from operators.sources import plan_folder
from operators.warm_start import WarmStart


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to the settings. `batch` None: batch mode if the input is bounded and of many files."""

    scores: Path | None = None
    fresh: bool = False
    take_over: bool = False
    batch: bool | None = None
    show_progress: bool = True


class Execution(NamedTuple):
    """How long the job ran, and whether to the end of its input."""

    seconds: float
    ended: bool


def run(settings: Settings, options: RunOptions) -> dict[str, Any]:
    """Run to the end of the input and give the summary; a followed folder has no end."""
    state = JobState(Path(settings.stream.state).resolve())
    with state.locked():
        store = open_store(settings.bucket.models)
        epoch = claim(store, state.owner_id(), take_over=options.take_over)
        beginning = None if options.fresh else state.beginning()
        if beginning is None:
            beginning = begin(settings, store, chunks=_input(settings), fresh=options.fresh)
            state.begin(beginning)
        execution = _execute(settings, options, state, store, beginning, epoch)
        if execution.ended and is_batch(settings, options.batch):
            _announce(state, store, settings, beginning, epoch)
        return _finish(options, state, execution)


def _input(settings: Settings) -> list[Any]:
    source = settings.stream.source
    if source.follow:
        Path(source.path).mkdir(parents=True, exist_ok=True)
        return []
    chunks = plan_folder(source.path)
    if not chunks:
        message = f"stream.source.path: no events in {source.path}: give a file or a folder that holds some, or follow: true"
        raise StateError(message)
    return chunks


def is_batch(settings: Settings, batch: bool | None) -> bool:
    """Whether a run is in batch mode: by choice, else for a bounded folder of more than one file."""
    source = settings.stream.source
    return batch if batch is not None else not source.follow and len(event_files(source.path)) > 1


def _execute(
    settings: Settings, options: RunOptions, state: JobState, store: Store, beginning: Beginning, epoch: int
) -> Execution:
    batch = is_batch(settings, options.batch)
    port = free_port()
    env, tables = environments(
        Runtime(
            state=state.folder,
            mode="batch" if batch else "streaming",
            python_mode=settings.stream.python_mode,
            parallelism=settings.stream.parallelism,
            checkpoint_interval_ms=settings.stream.checkpoint_interval_ms,
            restore_from=None if batch else state.newest_checkpoint(),
            rest_port=port,
        )
    )
    from jobs.stream import Plan, build  # noqa: PLC0415 - imports PyFlink, which needs the environment's Java
    from operators.publish import PublishSettings  # noqa: PLC0415

    policies = policies_of(settings, beginning.generations, shards_of(store, beginning.generations))
    bucket = settings.bucket.models
    pinned = frozenset(entry.key for entries in beginning.pinned.values() for entry in entries)
    publish = PublishSettings(
        bucket, epoch, settings.stream.publish_interval_ms, batch, settings.stream.gc_grace_ms, pinned
    )
    plan = Plan(
        settings.stream, policies, beginning.chunks, WarmStart(bucket, beginning.pinned), publish,
        str(state.outputs), options.scores is not None,
    )  # fmt: skip
    build(env, tables, plan, batch=batch)
    return _await(env.execute_async("lambda-learner"), port, show_progress=options.show_progress)


def _await(client: Any, port: int, *, show_progress: bool) -> Execution:
    """Wait for the end of the job; SIGINT or SIGTERM cancels it, and its checkpoints stay."""
    started = time.monotonic()
    future = client.get_job_execution_result()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if show_progress:
            progress.show(progress.JobMetrics(port, str(client.get_job_id())), future.done)
        future.result()
    except KeyboardInterrupt:
        client.cancel().result()
        return Execution(time.monotonic() - started, ended=False)
    return Execution(time.monotonic() - started, ended=True)


def _announce(state: JobState, store: Store, settings: Settings, beginning: Beginning, epoch: int) -> None:
    """Make what a replay has published the live generation of each model, now that all of it is there."""
    policies = policies_of(settings, beginning.generations, shards_of(store, beginning.generations))
    for model in sorted({json.loads(line)["model"] for line in part_lines(state.outputs / "published")}):
        policy = policies.of(model)
        if policy is not None:
            publish_generation(store, model, policy.as_generation(), epoch=epoch)


def _finish(options: RunOptions, state: JobState, execution: Execution) -> dict[str, Any]:
    if options.scores is not None:
        write_scores(state.outputs, options.scores, ended=execution.ended)
    summary = summarise(
        state.outputs, seconds=execution.seconds, scores=options.scores, ended=execution.ended
    )
    if execution.ended:
        state.summary.write_text(json.dumps(summary))
        state.finish()
    return summary
