"""`lambda-learner bridge`: copies a stream of Kinesis into a topic of Kafka until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from config.bridge import Bridge as Section
from config.load import load
from config.settings import Settings
from jobs.bridge.errors import BridgeError
from operators.clock import wall_clock_ms

__all__ = ["bridge"]

SkipDeleted = Annotated[
    bool, typer.Option("--skip-deleted", help="Go on where records were deleted before they were copied.")
]


def bridge(
    config: Annotated[Path, typer.Option(help="The YAML configuration file.")], *, skip_deleted: SkipDeleted = False
) -> None:
    """Copy a Kinesis stream into a Kafka topic, each record exactly once for those who read what is committed."""
    settings = load(config)
    if settings.bridge is None:
        message = "bridge: the configuration has no such section; it needs source.stream, sink.connection, sink.topic"
        raise BridgeError(message)
    with _until_signal() as stop:
        _run(settings, settings.bridge, stop, skip_deleted=skip_deleted)


def _run(settings: Settings, section: Section, stop: threading.Event, *, skip_deleted: bool) -> None:
    # The libraries of the services are loaded here, and need not be installed for the other commands.
    try:
        from jobs.bridge.opened import open_bridge  # noqa: PLC0415
    except ModuleNotFoundError as error:
        message = f"bridge: {error.name} is missing: pip install 'lambda-learner-flink[kafka,kinesis]'"
        raise BridgeError(message) from error
    opened = open_bridge(section, settings.aws_region, skip_deleted=skip_deleted, out=typer.echo, err=_tell)
    opened.bridge.run(stop)
    opened.progress.tell(wall_clock_ms())


def _tell(text: str) -> None:
    typer.echo(f"bridge: {text}", err=True)


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """An event that a signal to end sets; a second one ends at once, and loses nothing either."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        _restore(before)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, end)
    try:
        yield stop
    finally:
        _restore(before)


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
