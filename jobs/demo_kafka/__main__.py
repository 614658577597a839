"""`python -m jobs.demo_kafka`, from a checkout: what `make demo-kafka` runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from kafka.errors import KafkaError

from deploy.services.process import ServiceError
from jobs.demo_kafka.board import Screen
from jobs.demo_kafka.parts import PartEnded
from jobs.demo_kafka.running import NotReady
from jobs.demo_kafka.session import Interrupted
from jobs.demo_kafka.story import tell

OUTPUT = Path("out") / "demo_kafka"  # as in demo_kafka.yaml
SECONDS = 210.0
# What a user can mend: a message, no traceback. The last three: services that the environment names and are not there.
EXPECTED = (ServiceError, PartEnded, NotReady, KafkaError, BotoCoreError, ClientError)
FAILED, INTERRUPTED = 1, 130  # exit codes


def main(seconds: Annotated[float, typer.Option(help="Of traffic, at most.")] = SECONDS) -> None:
    """Show all parts live: Kafka, S3, track, run, retrain, and an app that learns. Needs Java and Maven, no Docker."""
    screen = Screen()
    with _stopping() as stop:
        try:
            told = tell(OUTPUT, seconds, screen, stop)
        except Interrupted:
            screen.say("stopped; all that was started has ended")
            raise typer.Exit(INTERRUPTED) from None
        except EXPECTED as error:
            screen.say(f"failed: {error}")
            raise typer.Exit(FAILED) from None
    typer.echo(f"report: {told.report}")
    if not told.has_risen:
        screen.say(f"the reward has not risen as far as it should within {seconds:.0f} s; the logs are in {OUTPUT}")
        raise typer.Exit(FAILED)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set: all is ended in order, and a second one changes nothing."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    typer.run(main)
