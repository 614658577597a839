"""Puts the line that has an entity forgotten where the job reads its events, if that has no end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from config.kafka import SecretError
from config.settings import Settings
from config.source import FileSource, KafkaSource
from jobs.forget.errors import ForgetError
from jobs.job_state import JobState
from lambda_learner.disk import make_folders, sync_folder, write_file
from operators.clock import wall_clock_ms

__all__ = ["refuse_unfinished", "tell_the_job"]

ANSWER_SECONDS: Final = 30.0  # of Kafka, whose own settings give up before


def refuse_unfinished(settings: Settings) -> None:
    """ForgetError for a run over files whose list is made: it would go on to learn, and reads no line more."""
    if settings.stream.source.has_end and JobState(Path(settings.stream.state).resolve()).beginning() is not None:
        message = (
            f"stream.source: a run over {_path(settings)} is not finished, and what it has learned so far is in "
            f"{settings.stream.state}: let it run to its end (the same `lambda-learner run` again), then forget"
        )
        raise ForgetError(message)


def tell_the_job(settings: Settings, line: bytes, message_id: str) -> str | None:
    """Add the line to the job's events; where it is, None for an input that ends. ForgetError when it cannot be."""
    source = settings.stream.source
    if isinstance(source, KafkaSource):
        return _send(source, line, settings.stream.max_message_bytes)
    return _put_file(source, line, message_id) if source.follow else None


def _path(settings: Settings) -> str:
    source = settings.stream.source
    return source.path if isinstance(source, FileSource) else "topics"


def _put_file(source: FileSource, line: bytes, message_id: str) -> str:
    """A file of its own, which gets its name when it is whole."""
    path = Path(source.path) / f"forget-{message_id}.jsonl"
    hidden = path.with_name(f".{path.name}")
    try:
        make_folders(path.parent.absolute())
        write_file(hidden, line)
        hidden.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        message = f"stream.source.path: {path} cannot be written ({error.strerror}): mend that, then forget again"
        raise ForgetError(message) from error
    return str(path)


def _send(source: KafkaSource, line: bytes, max_message_bytes: int) -> str:
    """One record in any partition: the job orders lines by their times, and each has its effect once."""
    from kafka.errors import KafkaError  # noqa: PLC0415 - not installed where events are files

    where = f"Kafka topic {source.topics[0]} at {', '.join(source.connection.bootstrap_servers)}"
    try:
        with _producer(source, max_message_bytes) as producer:
            sent = producer.send(source.topics[0], line.rstrip(b"\n"), timestamp_ms=wall_clock_ms())
            sent.get(timeout=ANSWER_SECONDS)
    except (KafkaError, SecretError) as error:
        message = f"stream.source: {where} does not take the line ({error}): mend that, then forget again"
        raise ForgetError(message) from error
    return where


def _producer(source: KafkaSource, max_message_bytes: int) -> Any:
    from kafka import KafkaProducer  # noqa: PLC0415 - see above

    from jobs.track.kafka_client import producer_settings  # noqa: PLC0415

    return KafkaProducer(**producer_settings(source.connection, max_message_bytes))
