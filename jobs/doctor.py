"""`lambda-learner doctor`: checks, a line each, what a run needs: configuration, Java, input, bucket, state folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from config.load import load
from config.settings import Settings
from config.source import KafkaSource
from config.warnings import warnings_of
from jobs.connectors import connectors_of, jars_of, plugin_of
from jobs.java import find_java
from jobs.job_state import JobState, StateError
from jobs.sinks import sinks_of
from lambda_learner.publish.keys import COEFFICIENTS
from lambda_learner.publish.manifest import read_manifest
from lambda_learner.publish.owner import read_owner
from lambda_learner.publish.store import Store, open_store
from operators.files import event_files

PROBE = "coefficients/_doctor.probe"  # no model's name begins with _
CHECKPOINT_PROBE = "doctor.probe"  # beside what has the names of jobs


def doctor(config: Annotated[Path, typer.Option(help="The YAML configuration file.")]) -> None:
    """Say of each part whether a run would find it in order; exit code 1 if any is not."""
    settings = load(config)
    typer.echo(f"ok    configuration: {config}")
    for warning in warnings_of(settings):
        typer.echo(f"warn  {warning}")
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("java", lambda _: str(find_java())),
        ("input", _input),
        ("bucket", _bucket),
        ("state", _state),
        *((("checkpoints", _checkpoints),) if settings.checkpoints else ()),
        *((("sinks", _sinks),) if connectors_of(settings) else ()),
    )
    failed = [name for name, check in checks if not _passes(name, check, settings)]
    if failed:
        raise typer.Exit(1)


def _passes(name: str, check: Callable[[Settings], str], settings: Settings) -> bool:
    try:
        typer.echo(f"ok    {name}: {check(settings)}")
    except Exception as error:  # noqa: BLE001 - the point is to report any
        typer.echo(f"FAIL  {name}: {error}")
        return False
    return True


def _input(settings: Settings) -> str:
    source = settings.stream.source
    if isinstance(source, KafkaSource):
        return _topics(source)
    files = event_files(source.path)
    if not files and not source.follow:
        message = f"no event files in {source.path}"
        raise StateError(message)
    return f"{len(files)} files in {source.path}" + (", followed" if source.follow else "")


def _topics(source: KafkaSource) -> str:
    from jobs.kafka import connection_of  # noqa: PLC0415 - the others do without Kafka's client
    from operators.kafka_client import KafkaLog  # noqa: PLC0415

    with closing(connection_of(source.connection).consumer()) as consumer:
        partitions = KafkaLog(consumer, source.topics).partitions()
    absent = set(source.topics) - {partition.topic for partition in partitions}
    if absent:
        message = f"no topic {', '.join(sorted(absent))}: make it, or name another"
        raise StateError(message)
    return f"{len(partitions)} partitions of {', '.join(source.topics)}"


def _bucket(settings: Settings) -> str:
    store = open_store(settings.bucket.models)
    store.delete(PROBE)
    store.put_if(PROBE, b"", None)
    store.delete(PROBE)
    owner = read_owner(store)
    mine = owner is not None and owner.owner_id == JobState(Path(settings.stream.state)).known_owner_id()
    if owner is not None and not mine:
        message = f"{settings.bucket.models} is of another job ({owner.owner_id}): run would need --take-over"
        raise StateError(message)
    shards = _manifests(store)
    return f"{settings.bucket.models} is writable, of {'this job' if mine else 'no job yet'}, {shards} shards in order"


def _manifests(store: Store) -> int:
    """How many shards have a manifest; BucketError for one that is damaged."""
    shards = [key.split("/")[1:4] for info in store.list(COEFFICIENTS) if (key := info.key).endswith("/manifest.json")]
    for model, generation, shard in shards:
        read_manifest(store, model, generation, int(shard))
    return len(shards)


def _sinks(settings: Settings) -> str:
    jars = ", ".join(map(str, jars_of(settings)))
    outputs = ", ".join(sink.output for sink in sinks_of(settings, "", batch=False))  # asks for passwords too
    return f"{outputs} by {jars}"


def _checkpoints(settings: Settings) -> str:
    jar = plugin_of(settings)
    store = open_store(str(settings.checkpoints))
    store.put(CHECKPOINT_PROBE, b"")
    store.delete(CHECKPOINT_PROBE)
    return f"{settings.checkpoints} is writable, by {jar}"


def _state(settings: Settings) -> str:
    state = JobState(Path(settings.stream.state).resolve(), settings.checkpoints)
    with state.locked():
        free_gib = os.statvfs(state.folder).f_bavail * os.statvfs(state.folder).f_frsize / 2**30
        checkpoint = state.newest_checkpoint() or "none"
        return f"{state.folder}, {free_gib:.1f} GiB free, newest checkpoint: {checkpoint}"
