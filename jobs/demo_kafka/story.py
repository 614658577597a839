"""The demo from its first process to its report."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from config.load import load
from config.settings import Settings
from jobs.demo_kafka.app import Outcome
from jobs.demo_kafka.board import Screen, trainings_of
from jobs.demo_kafka.page import summary_of, write_page
from jobs.demo_kafka.rewards import has_risen
from jobs.demo_kafka.running import Parts, running
from jobs.demo_kafka.session import Session
from jobs.demo_kafka.surroundings import Places, configuration, given, in_place, served
from jobs.demo_kafka.traffic import VISITS_A_SECOND, traffic

__all__ = ["LAST_WINDOWS_SECONDS", "Told", "tell"]

# Reward window, update interval, out-of-orderness, publish interval and a heartbeat, as in demo_kafka.yaml, and some.
LAST_WINDOWS_SECONDS: Final = 12.0


class Told(NamedTuple):
    """How the demo ended: its report, and whether the reward has risen as far as it should."""

    report: Path
    has_risen: bool


def tell(folder: Path, limit_s: float, screen: Screen, stop: threading.Event) -> Told:
    """Run the demo with `limit_s` of traffic at most, all its files in the folder.

    Raises Interrupted when `stop` is set, ServiceError, PartEnded, NotReady. Whatever it raises, all is ended then.
    """
    shutil.rmtree(folder, ignore_errors=True)
    session = Session(folder.resolve(), limit_s, screen, stop)
    with _services(session) as places:
        settings, config = _configured(session, places)
        screen.say("starting the main job, the track endpoint and the retrain worker")
        with running(session, settings, config) as parts:
            screen.say(f"an app ranks {VISITS_A_SECOND} times a second, at random until something is published")
            outcomes = traffic(session, settings, parts)
            screen.say("the last windows close")
            session.wait(LAST_WINDOWS_SECONDS)
            screen.say("ending the worker, the track endpoint, the job, the S3 server and the broker")
    screen.say("writing the report")
    return Told(_report(session, settings, parts, outcomes), has_risen(outcomes))


@contextmanager
def _services(session: Session) -> Iterator[Places]:
    with ExitStack() as stack:
        addresses = []
        for name, what in (("kafka", "Kafka broker"), ("s3", "S3 server")):
            session.wait(0)
            session.screen.say(f"{'using' if name in given(os.environ) else 'starting'} the {what}")
            addresses.append(stack.enter_context(served(name, session.folder / name)))
        session.wait(0)
        kafka, s3 = addresses
        yield stack.enter_context(in_place(kafka, s3, secrets.token_hex(4)))


def _configured(session: Session, places: Places) -> tuple[Settings, Path]:
    """The settings of this run, and the file that all parts read them from."""
    shipped = (files("config") / "demo_kafka.yaml").read_text()
    config = session.folder / "config.yaml"
    config.write_text(configuration(shipped, places, session.folder / "state"))
    return load(config), config


def _report(session: Session, settings: Settings, parts: Parts, outcomes: Sequence[Outcome]) -> Path:
    return write_page(
        session.folder / "report.html",
        summary=summary_of(parts.job.output),
        scores=session.scores,
        outputs=Path(settings.stream.state) / "outputs",
        outcomes=outcomes,
        trainings=trainings_of(parts.worker.output),
    )
