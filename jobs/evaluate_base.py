"""`lambda-learner evaluate base`: what a base adds to the entities' own learning, on public data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table

from jobs.measuring import exit_if, exit_if_no_data, measuring, show
from lambda_learner.simulate import movielens as data_set

if TYPE_CHECKING:
    from lambda_learner.evaluation.cluster_bootstrap import Difference
    from lambda_learner.evaluation.movielens.with_base import BaseEvidence, Compared

__all__ = ["base_worth", "shortfalls", "table_of"]

LEAST_GAIN: Final = 0.005  # of AUC, over entities alone and over the base alone


def base_worth() -> None:
    """Train a base on the first 50,000 decisions of MovieLens-100K and print how it foretells the others; a minute.

    AUCs of entities alone, of the base alone and of both, as learned and as served. Exits with 1 when both together
    are not better than either by 0.005, or not for certain (the 95 % interval over users reaches 0).
    """
    with exit_if_no_data():
        found = _measured()
    show(table_of(found))
    short = shortfalls(found)
    exit_if(f"base and entities together gain too little: {', '.join(short)}" if short else "")


def table_of(found: BaseEvidence) -> Table:
    """A row each for entities alone, the base alone and both; what both gain over either, with its interval."""
    table = Table(title="MovieLens-100K: AUC of the second 50,000 decisions", caption="Intervals: 95 %, over users.")
    table.add_column("scored by")
    for name in ("as learned", "what both gain", "as served", "what both gain"):
        table.add_column(name, justify="right")
    rows: tuple[tuple[str, str, str | None], ...] = (
        ("entities alone", "entities", "over_entities"),
        ("base alone", "base", "over_base"),
        ("base and entities", "both", None),
    )
    for title, auc, gain in rows:
        cells = [
            cell
            for compared in found
            for cell in (f"{getattr(compared, auc):.4f}", _gain(getattr(compared, gain)) if gain else "")
        ]
        table.add_row(title, *cells)
    return table


def shortfalls(found: BaseEvidence) -> list[str]:
    """Where both together do not gain enough over either, as learned."""
    learned: Compared = found.learned
    gains = {"over entities alone": learned.over_entities, "over the base alone": learned.over_base}
    return [f"{what} {_gain(gain)}" for what, gain in gains.items() if gain.value < LEAST_GAIN or gain.low <= 0.0]


def _gain(gain: Difference) -> str:
    return f"{gain.value:+.4f} ({gain.low:+.4f} … {gain.high:+.4f})"


def _measured() -> BaseEvidence:
    """The evidence; a bar on stderr says what is being done."""
    from lambda_learner.evaluation.movielens.with_base import STEPS, evidence  # noqa: PLC0415 - XGBoost and SciPy

    data = data_set.read(data_set.find_folder())
    with measuring(len(STEPS)) as on_step:
        return evidence(data, on_step)
