"""History of an Improve AI Gym, or of another bucket, as event files for `lambda-learner replay`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from config.settings import Settings
from config.source import FileSource
from jobs.job_state import StateError
from lambda_learner.archive.importing import copy_firehose, write_events
from lambda_learner.archive.partition import first_id, models_of
from lambda_learner.archive.reader import ReaderSettings
from lambda_learner.publish.store import open_store

__all__ = ["gather", "import_", "with_history"]

Firehose = Annotated[str | None, typer.Option(help="The bucket of a Gym's firehose: files of gzip JSON lines.")]
Train = Annotated[str | None, typer.Option(help="A train bucket: parquet of rewarded decisions.")]
FOLDER = "history"  # in the state folder


def import_(
    output: Annotated[Path, typer.Option(help="The folder for the event files.")],
    *,
    firehose: Firehose = None,
    train: Train = None,
) -> None:
    """Write the history of a Gym's buckets as event files, which `replay` takes; again writes the same files."""
    if firehose is None and train is None:
        message = "name --firehose, --train or both"
        raise typer.BadParameter(message)
    gather(output, firehose=firehose, train=train)


def with_history(settings: Settings, *, firehose: str | None, train: str | None) -> Settings:
    """The settings with the history of these buckets as their input; as they are without a bucket."""
    if firehose is None and train is None:
        return settings
    folder = Path(settings.stream.state) / FOLDER
    gather(folder, firehose=firehose, train=train)
    # What comes from this job's own archive is there already.
    archive = settings.stream.archive and train != settings.bucket.train
    stream = settings.stream.model_copy(update={"source": FileSource(path=str(folder)), "archive": archive})
    return settings.model_copy(update={"stream": stream})


def gather(folder: Path, *, firehose: str | None, train: str | None) -> None:
    """Copy a firehose, and write a train bucket's rows as events; StateError when there is nothing in them."""
    found = 0
    if firehose is not None:
        files = copy_firehose(open_store(firehose), folder / "firehose")
        typer.echo(f"{firehose}: {len(files)} files", err=True)
        found += len(files)
    if train is not None:
        found += _write_models(folder / "train", train)
    if not found:
        message = f"no events in {' and '.join(filter(None, (firehose, train)))}: name buckets with some"
        raise StateError(message)


def _write_models(folder: Path, bucket: str) -> int:
    """The number of event files; what is left out is told."""
    store, files = open_store(bucket), 0
    settings = ReaderSettings(partial_rows=True, latest_id=first_id(int(time.time()) + 1))
    for model in models_of(store):
        done = write_events(store, model, folder, settings=settings)
        left = "".join(f", {number} {reason} left out" for reason, number in sorted(done.skipped.items()) if number)
        typer.echo(f"{bucket}: {model}: {done.decisions} decisions, {done.rewards} rewards{left}", err=True)
        files += len(done.files)
    return files
