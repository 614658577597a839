"""History of an Improve AI Gym, or of another bucket, as event files for `lambda-learner replay`."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from config.bucket import Bucket
from config.settings import Settings
from config.source import FileSource
from jobs.job_state import StateError
from lambda_learner.archive.importing import copy_firehose, write_events
from lambda_learner.archive.partition import first_id, models_of
from lambda_learner.archive.reader import ReaderSettings
from lambda_learner.publish.s3_address import masked
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
    firehose, train = _on_server(firehose, settings.bucket), _on_server(train, settings.bucket)
    folder = Path(settings.stream.state) / FOLDER
    _keep_only(folder, gather(folder, firehose=firehose, train=train))
    is_archived = firehose is None and train == settings.bucket.train
    archive = settings.stream.archive and not is_archived
    stream = settings.stream.model_copy(update={"source": FileSource(path=str(folder)), "archive": archive})
    return settings.model_copy(update={"stream": stream})


def _on_server(url: str | None, bucket: Bucket) -> str | None:
    """The address of a bucket, on the S3 server of the settings where it names none."""
    if url is None:
        return None
    try:
        return Bucket(endpoint=bucket.endpoint, region=bucket.region, train=url).train
    except ValidationError as error:
        message = f"{masked(url)} is no bucket: {error.errors()[0]['msg']}"
        raise StateError(message) from None


def _keep_only(folder: Path, files: Collection[Path]) -> None:
    """Remove what an earlier replay left in a folder of ours."""
    for path in folder.rglob("*"):
        if path.is_file() and path not in files:
            path.unlink()


def gather(folder: Path, *, firehose: str | None, train: str | None) -> list[Path]:
    """Copy a firehose, and write a train bucket's rows as events: the files; StateError when there are none."""
    files: list[Path] = []
    if firehose is not None:
        files += copy_firehose(open_store(firehose), folder / "firehose")
        typer.echo(f"{firehose}: {len(files)} files", err=True)
    if train is not None:
        files += _write_models(folder / "train", train)
    if not files:
        message = f"no events in {' and '.join(filter(None, (firehose, train)))}: name buckets with some"
        raise StateError(message)
    return files


def _write_models(folder: Path, bucket: str) -> list[Path]:
    """The event files; what is left out is told."""
    store, files = open_store(bucket), list[Path]()
    settings = ReaderSettings(partial_rows=True, latest_id=first_id(int(time.time()) + 1))
    for model in models_of(store):
        done = write_events(store, model, folder, settings=settings)
        left = "".join(f", {number} {reason} left out" for reason, number in sorted(done.skipped.items()) if number)
        typer.echo(f"{bucket}: {model}: {done.decisions} decisions, {done.rewards} rewards{left}", err=True)
        files += done.files
    return files
