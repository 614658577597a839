"""The application behind its real server, on a free port of the loopback, in a thread of the test's process."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from jobs.track.app import App
from jobs.track.server import server_config


@contextmanager
def served(app: App) -> Iterator[int]:
    """The port that the application answers at."""
    with served_by(uvicorn.Server(server_config(app))) as port:
        yield port


@contextmanager
def served_by(server: uvicorn.Server) -> Iterator[int]:
    """The port of a server, which runs within the context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=server.run, args=([listening],), name="served")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


class Failures(logging.Handler):
    """What the server logs of an application that has failed within a request."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(logging.Formatter().format(record))

    def __enter__(self) -> Failures:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
