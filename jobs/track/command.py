"""`lambda-learner track`: serves the endpoint until SIGINT or SIGTERM; what was answered 200 is in the sink then."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
import uvicorn

from config.load import load
from config.settings import Settings
from jobs.track import openapi
from jobs.track.access_log import AccessLog, standard_output
from jobs.track.admission import Admission
from jobs.track.app import App
from jobs.track.event_folder import TrackError
from jobs.track.key_file import KeyFile
from jobs.track.metrics import Metrics
from jobs.track.outcome import Observer
from jobs.track.queued import QueuedSink
from jobs.track.room import Room
from jobs.track.rules import Rules
from jobs.track.server import server_config
from jobs.track.sinks import open_sink

__all__ = ["listen", "track"]


def track(config: Annotated[Path, typer.Option(help="The YAML configuration file.")]) -> None:
    """Take decisions and rewards over HTTP; an answer of 200 means that the event is durable in `track.sink`."""
    settings = load(config)
    with ExitStack() as stack:
        keys = settings.track.keys  # read before the sink is open: what raises here leaves no thread behind
        admission = Admission(stack.enter_context(KeyFile(Path(keys)))) if keys else None
        log = [stack.enter_context(AccessLog(standard_output()))] if settings.track.access_log else []
        sink, where = open_sink(settings, _end)
        stack.callback(sink.close)
        listening = stack.enter_context(listen(settings.track.host, settings.track.port))
        host, port = listening.getsockname()[:2]
        typer.echo(f"track: listening at {_url(host, port)}, {where}", err=True)
        _serve(_app(settings, sink, admission, log), listening)


def _app(settings: Settings, sink: QueuedSink, admission: Admission | None, log: Sequence[Observer]) -> App:
    rules = Rules(settings.track.accept, settings.stream.max_message_bytes, settings.stream.max_clock_skew_ms)
    room = Room()
    metrics = Metrics(sink, room)
    pages = {"/metrics": metrics.page, "/openapi.json": openapi.page(rules, keys=admission is not None)}
    return App(sink, rules, admission=admission, observers=[metrics.observe, *log], pages=pages, room=room)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


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
    server = uvicorn.Server(server_config(app))

    def end(_number: int, _frame: FrameType | None) -> None:
        """For a signal before the server has its own handlers; afterwards it raises it again, which changes nothing."""
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
