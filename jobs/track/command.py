"""`lambda-learner track`: serves the endpoint until SIGINT or SIGTERM; then all that was answered 200 is visible."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from config.load import load
from config.settings import Settings
from jobs.track.app import App, Rules
from jobs.track.event_folder import EventFolder, Rotation, TrackError
from jobs.track.event_log import EventLog

__all__ = ["event_folder", "listen", "track"]

DRAIN_SECONDS = 15  # for the requests that are there at the end; a body has ten


def track(config: Annotated[Path, typer.Option(help="The YAML configuration file.")]) -> None:
    """Take decisions and rewards over HTTP as event files; an answer of 200 means that the event is on disk."""
    settings = load(config)
    folder = event_folder(settings)
    rotation = Rotation(settings.track.sink.rotate_after_ms, settings.track.sink.rotate_bytes)
    log = EventLog(EventFolder(folder, rotation), on_bug=_end)
    recovered = log.open()
    try:
        with listen(settings.track.host, settings.track.port) as listening:
            host, port = listening.getsockname()[:2]
            more = f"; files recovered from an interrupted run: {recovered}" if recovered else ""
            typer.echo(f"track: listening at {_url(host, port)}, event files in {folder}{more}", err=True)
            _serve(App(log, _rules(settings)), listening)
    finally:
        log.close()


def event_folder(settings: Settings) -> Path:
    """Where event files go: `track.sink.folder`, or else where the job reads; TrackError if that is a file."""
    folder = Path(settings.track.sink.folder or settings.stream.source.path)
    if folder.exists() and not folder.is_dir():
        message = f"track.sink.folder: event files need a folder, got the file {folder}: set `track.sink.folder`"
        raise TrackError(message)
    return folder


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _rules(settings: Settings) -> Rules:
    return Rules(settings.track.accept, settings.stream.max_message_bytes, settings.stream.max_clock_skew_ms)


def listen(host: str, port: int) -> socket.socket:
    """The socket of the endpoint; TrackError when the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        message = f"cannot listen at {_url(host, port)} ({error}): give `track.host` and `track.port` others"
        raise TrackError(message) from error
    # Connections inherit it. Without it an answer, whose head and body are two writes, takes 40 ms more (measured).
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _serve(app: App, listening: socket.socket) -> None:
    """Serve until a signal asks to end, and then the requests that have begun."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )

    def ignore(_number: int, _frame: FrameType | None) -> None:
        """The server's own handlers end it; afterwards it raises the signal again, which must not end the process."""

    before = {number: signal.signal(number, ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
