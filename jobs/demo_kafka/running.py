"""The main job, the track endpoint and the retrain worker: started together, waited for, ended in order."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from config.settings import Settings
from jobs.demo_kafka.parts import Part
from jobs.demo_kafka.session import Session

__all__ = ["NotReady", "Parts", "running"]

READY_SECONDS: Final = 300.0  # the first job of an installation compiles the update
LOOK_SECONDS: Final = 0.2


class NotReady(RuntimeError):
    """A part that does not get ready."""

    def __init__(self, part: Part) -> None:
        """Name it."""
        super().__init__(f"{part.name} was not ready within {READY_SECONDS:.0f} s; what it says is in {part.log}")


class Parts(NamedTuple):
    """The processes of the demo that are ours."""

    job: Part
    track: Part
    worker: Part

    def check(self) -> None:
        """Raise PartEnded if one does not run any more."""
        for part in self:
            part.check()


@contextmanager
def running(session: Session, settings: Settings, config: Path) -> Iterator[Parts]:
    """The parts, ready; the last to start is the first to end. PartEnded, NotReady, Interrupted."""
    run = ("run", "--config", str(config), "--scores", str(session.scores), "--no-progress")
    with (
        Part("job", run, session.folder) as job,
        Part("track", ("track", "--config", str(config)), session.folder) as track,
        Part("retrain", ("retrain", "--config", str(config)), session.folder) as worker,
    ):
        parts, state = Parts(job, track, worker), Path(settings.stream.state)
        _until(session, parts, track, lambda: _answers(f"http://{settings.track.host}:{settings.track.port}/ready"))
        _until(session, parts, worker, lambda: "waiting for requests" in worker.log.read_text())
        _until(session, parts, job, lambda: any(state.glob("checkpoints/*/chk-*/_metadata")))  # so every stage runs
        yield parts


def _until(session: Session, parts: Parts, part: Part, is_ready: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + READY_SECONDS
    while not is_ready():
        if time.monotonic() > deadline_s:
            raise NotReady(part)
        parts.check()
        session.wait(LOOK_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - http, of loopback
            return True
    except OSError:  # URLError is one too
        return False
