"""What the `lambda-learner evaluate` commands share: a bar while they measure, a table, and how they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lambda_learner.simulate.movielens import DataSetError

__all__ = ["exit_if", "exit_if_no_data", "measuring", "show"]

TABLE_WIDTH: Final = 120  # columns where the output is no terminal, so that no cell wraps


@contextmanager
def measuring(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr; what it gives is called with each of so many steps before it begins."""
    columns = (
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=steps)
        yield lambda what: progress.update(task, description=what, advance=1)


@contextmanager
def exit_if_no_data() -> Iterator[None]:
    """Say what is wrong with the data set, and exit with 1."""
    try:
        yield
    except DataSetError as error:
        exit_if(str(error))


def show(table: Table) -> None:
    """Print the table, as wide as a terminal is."""
    console = Console()
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    console.print(table)


def exit_if(fault: str) -> None:
    """Say what is wrong, if anything is, and exit with 1."""
    if fault:
        typer.echo(f"evaluate: {fault}", err=True)
        raise typer.Exit(1)
