"""`lambda-learner evaluate`: measures the learner on public data, as a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from jobs.evaluate_base import base_worth
from jobs.measuring import exit_if, exit_if_no_data, measuring, show
from lambda_learner.simulate import movielens as data_set

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lambda_learner.evaluation.movielens import Row

__all__ = ["evaluate", "picture_of", "table_of"]

evaluate = typer.Typer(no_args_is_help=True, help="Measure the learner on public data.")
evaluate.command("base")(base_worth)
NONE: Final = "–"  # in place of a number that was not published
LINES: Final = (  # of the picture: target, whether δ < 1, name, colour, marker
    ("T4", False, "fitted anew to all past events", "#4a4a4a", "o"),
    ("T5", False, "incremental, full precision", "#1f6fb4", "s"),
    ("T6", False, "incremental, diagonal, δ = 1", "#d9772b", "^"),
    ("T6", True, "incremental, diagonal, δ = 0.95, 0.8, 0.8", "#b3273f", "D"),
)
LEVELS: Final = (("T2", "global model only", ":"), ("T3", "stale per-user models", "--"))


@evaluate.callback()
def _group() -> None:
    """Measure the learner on public data."""


@evaluate.command("movielens")
def movielens(
    *,
    output: Annotated[Path, typer.Option(help="The picture to write: .png or .svg.")] = Path("out/movielens.png"),
) -> None:
    """Print how models kept fresh in several ways foretell MovieLens-100K, and draw it; takes one to three minutes.

    Exits with 1 when a number is further from the specification's than its tolerance.
    """
    from lambda_learner.evaluation.movielens import ROWS  # noqa: PLC0415 - SciPy's optimiser, which only this needs

    if output.suffix not in (".png", ".svg"):
        message = f"must end in .png or .svg, got {output.name!r}"
        raise typer.BadParameter(message, param_hint="--output")
    with exit_if_no_data():
        measured = _measured(ROWS)
    show(table_of(ROWS, measured))
    picture_of(ROWS, measured, output)
    typer.echo(f"picture: {output.resolve()}")
    far = [f"{row.target} ({row.what})" for row, auc in zip(ROWS, measured, strict=True) if not row.holds(auc)]
    exit_if(f"out of tolerance: {', '.join(far)}" if far else "")


def _measured(rows: Sequence[Row]) -> list[float]:
    """The AUC of each row; a bar on stderr says what is being measured."""
    from lambda_learner.evaluation.movielens import as_arrays, measure, steps_of  # noqa: PLC0415

    ratings = as_arrays(data_set.read(data_set.find_folder()))
    with measuring(steps_of(rows)) as on_step:
        return measure(ratings, rows, on_step)


def table_of(rows: Sequence[Row], measured: Sequence[float]) -> Table:
    """The rows with their AUC as published, as the specification measured it, and as measured now."""
    table = Table(title="MovieLens-100K: AUC", caption="T1: mean of 5 random splits. T2-T8: the second 50,000 events.")
    table.add_column("target")
    table.add_column("model")
    for name in ("published", "specification", "measured", "difference"):
        table.add_column(name, justify="right")
    last = ""
    for row, auc in zip(rows, measured, strict=True):
        if row.target != last and last:
            table.add_section()
        published = NONE if row.published is None else f"{row.published:.4f}"
        numbers = (published, f"{row.expected:.4f}", f"{auc:.4f}", f"{auc - row.expected:+z.4f}")
        table.add_row(row.target if row.target != last else "", row.what, *numbers)
        last = row.target
    return table


def picture_of(rows: Sequence[Row], measured: Sequence[float], output: Path) -> None:
    """Write two drawings: AUC against how often per-user models learn, and the per-movie models."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - matplotlib, which only this needs

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    users, movies = figure.subplots(1, 2)
    found = list(zip(rows, measured, strict=True))
    _draw_users(users, found)
    _draw_movies(movies, [(row.what.partition(", ")[2], auc) for row, auc in found if row.target == "T7"])
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)


def _draw_users(axes: Axes, found: Sequence[tuple[Row, float]]) -> None:
    for target, forgets, name, colour, marker in LINES:
        aucs = [auc for row, auc in found if row.target == target and ("δ" in row.what) == forgets]
        axes.plot(range(len(aucs)), aucs, color=colour, marker=marker, label=name)
    for target, name, style in LEVELS:
        auc = next(auc for row, auc in found if row.target == target)
        axes.axhline(auc, color="#8a8a8a", linestyle=style, label=name)
    axes.set_xticks(range(3), ["1", "5", "20"])
    axes.set(title="Per-user models", xlabel="events of a user between two updates (m)", ylabel="progressive AUC")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, frameon=False, loc="upper right", bbox_to_anchor=(1.0, 0.62))


def _draw_movies(axes: Axes, bars: Sequence[tuple[str, float]]) -> None:
    names, aucs = zip(*bars, strict=True)
    axes.plot(aucs, range(len(aucs)), "o", color="#1f6fb4", markersize=8)
    for place, auc in enumerate(aucs):
        axes.annotate(f"{auc:.4f}", (auc, place), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.margins(x=0.15)
    axes.grid(alpha=0.3)
    axes.set(title="Per-movie models", xlabel="progressive AUC")
    axes.spines[["top", "right"]].set_visible(False)
