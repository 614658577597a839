"""The command line: `lambda-learner COMMAND`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from config.load import ConfigError, load
from config.warnings import warnings_of
from jobs.demo import demo
from jobs.doctor import doctor
from jobs.evaluate import evaluate
from jobs.failure import JobFailed
from jobs.java import JavaNotFound
from jobs.job_state import StateError
from jobs.rank import rank
from jobs.report_command import report
from jobs.run import RunOptions, run
from jobs.simulate import simulate
from jobs.track.command import track
from jobs.track.event_folder import TrackError
from lambda_learner.publish.errors import BucketError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Learn from decisions and rewards as they stream in."
)
for command in (simulate, track, rank, report, doctor, demo):
    app.command()(command)
app.add_typer(evaluate, name="evaluate")
Config = Annotated[Path, typer.Option(help="The YAML configuration file.")]
Scores = Annotated[Path | None, typer.Option(help="Write each decision's score before it was learned.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Learn the same history anew, in a new generation.")]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Take the bucket from another job.")]
Progress = Annotated[bool, typer.Option(help="Show progress on stderr.")]
# What a user can mend: a message, no traceback.
EXPECTED = (ConfigError, StateError, BucketError, JavaNotFound, TrackError)
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
    _run(config, RunOptions(scores, fresh, take_over, None, progress))


@app.command("replay")
def replay_command(
    config: Config,
    *,
    scores: Scores = None,
    fresh: Fresh = False,
    take_over: TakeOver = False,
    progress: Progress = True,
) -> None:
    """Run the same graph in batch mode: no order of files or lines matters, nothing is late."""
    _run(config, RunOptions(scores, fresh, take_over, True, progress))


def _run(config: Path, options: RunOptions) -> None:
    settings = load(config)
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
