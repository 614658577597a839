"""The command line: `lambda-learner COMMAND`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from config.load import ConfigError, load
from config.settings import Settings
from config.warnings import warnings_of
from jobs.bridge.command import bridge
from jobs.bridge.errors import BridgeError
from jobs.demo import demo
from jobs.doctor import doctor
from jobs.evaluate import evaluate
from jobs.failure import JobFailed
from jobs.forget.command import forget
from jobs.forget.errors import ForgetError
from jobs.history import Firehose, Train, import_, with_history
from jobs.java import JavaNotFound
from jobs.job_state import StateError
from jobs.models_command import models
from jobs.rank import rank
from jobs.report_command import report
from jobs.retrain.command import retrain
from jobs.run import RunOptions, run
from jobs.simulate import simulate
from jobs.track.command import track
from jobs.track.event_folder import TrackError
from jobs.track.keys import KeysError
from jobs.track.keys_command import keys
from lambda_learner.publish.errors import BucketError
from lambda_learner.retrain.errors import RetrainError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Learn from decisions and rewards as they stream in."
)
for command in (simulate, track, bridge, rank, retrain, forget, report, doctor, demo):
    app.command()(command)
app.command("import")(import_)
app.add_typer(evaluate, name="evaluate")
app.add_typer(keys, name="keys")
app.add_typer(models, name="models")
Config = Annotated[Path, typer.Option(help="The YAML configuration file.")]
Scores = Annotated[Path | None, typer.Option(help="Write each decision's score before it was learned.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Learn the same history anew, in a new generation.")]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Take the bucket from another job.")]
Progress = Annotated[bool, typer.Option(help="Show progress on stderr.")]
# What a user can mend: a message, no traceback.
EXPECTED = (
    ConfigError, StateError, BucketError, JavaNotFound, TrackError, KeysError, RetrainError, BridgeError, ForgetError,
)  # fmt: skip
FAILED, BAD_USAGE = 1, 2  # exit codes


@app.command("run")
def run_command(
    config: Config,
    *,
    scores: Scores = None,
    fresh: Fresh = False,
    take_over: TakeOver = False,
    progress: Progress = True,
) -> None:
    """Run the main job: from the newest checkpoint if there is one; many bounded files in batch mode."""
    _run(load(config), RunOptions(scores, fresh, take_over, None, progress))


@app.command("replay")
def replay_command(  # noqa: PLR0913 - one parameter an option
    config: Config,
    *,
    scores: Scores = None,
    fresh: Fresh = False,
    take_over: TakeOver = False,
    progress: Progress = True,
    firehose: Firehose = None,
    train: Train = None,
) -> None:
    """Run the same graph in batch mode: no order of files or lines matters, nothing is late.

    With --firehose or --train, over the history of these buckets instead of the source.
    """
    settings = with_history(load(config), firehose=firehose, train=train)
    _run(settings, RunOptions(scores, fresh, take_over, True, progress))


def _run(settings: Settings, options: RunOptions) -> None:
    for warning in warnings_of(settings):
        typer.echo(f"warning: {warning}", err=True)
    summary = run(settings, options)
    if summary.get("already_learned") and not summary.get("updates"):
        typer.echo("warning: all of it had been learned before, so nothing is new; --fresh learns it anew", err=True)
    typer.echo(json.dumps(summary))


def main(arguments: list[str] | None = None) -> Any:
    """The console script: what a user can mend, and why a job failed, is told in a message."""
    try:
        return app(arguments)
    except (*EXPECTED, JobFailed) as error:
        typer.echo(f"lambda-learner: {error}", err=True)
        sys.exit(FAILED if isinstance(error, JobFailed) else BAD_USAGE)


if __name__ == "__main__":
    main()
