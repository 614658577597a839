"""How the application is served: the settings of uvicorn."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import uvicorn

from jobs.track.answers import CORS
from jobs.track.app import App
from jobs.track.bounded_head import BoundedHead

__all__ = ["server_config"]

DRAIN_SECONDS: Final = 15  # for the requests that are there at the end; a body has ten


def server_config(app: App) -> uvicorn.Config:
    """Serves HTTP only, and writes no log of its own.

    The server, not the application, adds the headers of CORS: so they stand on its own answers too, such as the 400 for
    what is no HTTP.
    """
    return uvicorn.Config(
        replace(app, headers=()),
        headers=[(name.decode(), value.decode()) for name, value in CORS],
        http=BoundedHead,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
