"""`lambda-learner report`: the report page of a job that has run, was interrupted, or still runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from config.load import load
from jobs.job_state import JobState
from jobs.summary import summarise


def report(
    config: Annotated[Path, typer.Option(help="The YAML configuration file.")],
    *,
    scores: Annotated[Path | None, typer.Option(exists=True, help="The file that `run --scores` has written.")] = None,
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("out/report.html"),
) -> None:
    """Write the report page of a job's last run."""
    from jobs.report import ReportInput, write_report  # noqa: PLC0415 - matplotlib, which only this needs

    settings = load(config)
    state = JobState(Path(settings.stream.state).resolve())
    finished = state.summary
    if finished.exists():
        summary = json.loads(finished.read_text())
    else:
        summary = summarise(state.outputs, seconds=0.0, scores=scores, ended=False)
    section = ReportInput(f"{settings.organization} {settings.project}", summary, scores, state.outputs)
    typer.echo(f"report: {write_report(output, [section]).resolve()}")
