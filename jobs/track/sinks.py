"""Chooses the sink of the endpoint from the settings: event files, a topic of Kafka, or a stream of Kinesis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from config.kafka import SecretError
from config.settings import Settings
from config.track import FileSink, KafkaSink, KinesisSink
from jobs.track.event_folder import EventFolder, Rotation, TrackError
from jobs.track.event_log import EventLog
from jobs.track.queued import QueuedSink, Storage

__all__ = ["event_folder", "open_sink"]


def open_sink(settings: Settings, on_bug: Callable[[], None]) -> tuple[QueuedSink, str]:
    """The open sink, and where events go, for the operator; TrackError when they cannot go there."""
    try:
        storage, where = _storage(settings)
    except ModuleNotFoundError as error:
        kind = settings.track.sink.kind
        message = f"track.sink: {error.name} is missing for kind {kind}: pip install 'lambda-learner-flink[{kind}]'"
        raise TrackError(message) from error
    sink = QueuedSink(storage, on_bug=on_bug)
    told = sink.open()
    return sink, f"{where}; {told}" if told else where


def event_folder(settings: Settings) -> Path:
    """Where event files go: `track.sink.folder`, or else where the job reads; TrackError if that is no folder."""
    sink, source = settings.track.sink, settings.stream.source
    given = sink.folder if sink.kind == "files" else None
    path = given or (source.path if source.kind == "files" else None)
    if path is None:
        message = f"track.sink.folder: the job reads from {source.kind}, so event files need a folder: set it"
        raise TrackError(message)
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        message = f"track.sink.folder: event files need a folder, got the file {folder}: set `track.sink.folder`"
        raise TrackError(message)
    return folder


def _storage(settings: Settings) -> tuple[Storage, str]:
    match settings.track.sink:
        case FileSink() as files:
            folder = event_folder(settings)
            rotation = Rotation(files.rotate_after_ms, files.rotate_bytes)
            return EventLog(EventFolder(folder, rotation)), f"event files in {folder}"
        case KafkaSink() as kafka:
            servers = ", ".join(kafka.connection.bootstrap_servers)
            return _kafka(kafka, settings.stream.max_message_bytes), f"Kafka topic {kafka.topic} at {servers}"
        case KinesisSink() as kinesis:
            region = kinesis.region or settings.aws_region
            where = f"Kinesis stream {kinesis.stream} in {region}"
            return _kinesis(kinesis, region, settings.stream.max_message_bytes), where


# The libraries of a service are loaded only where it is chosen, and need not be installed elsewhere.


def _kafka(sink: KafkaSink, max_message_bytes: int) -> Storage:
    from jobs.track.kafka_client import producer_settings  # noqa: PLC0415
    from jobs.track.kafka_sink import KafkaTopic  # noqa: PLC0415

    try:
        settings = producer_settings(sink.connection, max_message_bytes)
    except SecretError as error:
        message = f"track.sink.connection.password: {error}"
        raise TrackError(message) from error
    return KafkaTopic(sink.topic, settings)


def _kinesis(sink: KinesisSink, region: str, max_message_bytes: int) -> Storage:
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    from jobs.track.kinesis_records import MAX_LINE_BYTES  # noqa: PLC0415
    from jobs.track.kinesis_sink import CLIENT_SETTINGS, KinesisStream  # noqa: PLC0415

    if max_message_bytes > MAX_LINE_BYTES:
        message = f"stream.max_message_bytes: got {max_message_bytes}; Kinesis takes at most {MAX_LINE_BYTES}"
        raise TrackError(message)
    client = boto3.client("kinesis", region_name=region, endpoint_url=sink.endpoint, config=Config(**CLIENT_SETTINGS))
    return KinesisStream(sink.stream, client)
