"""Gradient boosted trees over pages of float32 rows, in memory or from disk.

One thread gives the same bytes as many (measured with XGBoost 3.0.5: histograms are summed in 64 bits), and so
do rows in memory and on disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from lambda_learner.retrain.spool import Arrays, Spool

__all__ = ["BASE_SCORE", "Matrix", "Room", "Trees", "fit", "predict", "threads_for"]

BASE_SCORE: Final = 0.5  # set, for later releases estimate it, and the CoreML converter takes it to be this
_PARAMETERS: Final = {"tree_method": "hist", "base_score": BASE_SCORE, "seed": 0, "verbosity": 0}
_DECISIONS_PER_THREAD: Final = 250_000  # fewer are no faster with a second thread, and it spins while others work
_PAGES: Final = 4  # to the memory: each page also costs XGBoost some 0.3 MB while it grows trees
# XGBoost's sketch of a column grows with its length up to about this size (measured at 400,000 values).
_SKETCHED_COLUMN_BYTES: Final = 2_500_000
_SKETCHED_VALUE_BYTES: Final = 64
_MIN_SKETCHED_ROWS: Final = 1024  # four to a bin

Tell = Callable[[int], None]


@dataclass(slots=True)
class Matrix:
    """Rows to fit: pages of (features, target, weight), float32, in a spool of their own."""

    pages: Spool
    rows: int = 0

    def append(
        self, features: npt.NDArray[np.float32], target: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]
    ) -> None:
        """Add a page; none if it has no rows."""
        if len(features):
            self.pages.append((features, target.astype(np.float32), weight.astype(np.float32)))
            self.rows += len(features)


@dataclass(frozen=True, slots=True)
class Trees:
    """What to grow: the objective, how many trees of which depth; `patience` rounds without gain end it."""

    objective: str
    trees: int
    depth: int
    threads: int
    patience: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


class Room(NamedTuple):
    """What XGBoost may take for rows and for the bins of their values, and where its files go (None: the system's)."""

    memory_bytes: int
    folder: str | None = None


def threads_for(decisions: int, threads: int | None) -> int:
    """The given number, or one for each 250,000 decisions, at most one a CPU."""
    if threads is not None:
        return threads
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(1 + decisions // _DECISIONS_PER_THREAD, cpus)


def fit(
    matrix: Matrix,
    trees: Trees,
    *,
    room: Room,
    held_out: Matrix | None = None,
    tell: Tell = lambda _: None,
) -> tuple[xgb.Booster, list[float]]:
    """The trees, and the loss after each on the held-out rows, or on the rows themselves if there are none.

    Where the rows are larger than the room's memory, XGBoost keeps its own form of them on disk too; where the
    bins of all values would take as much, they are those of a part of the rows.
    """
    parameters = _PARAMETERS | {"objective": trees.objective, "max_depth": trees.depth, "nthread": trees.threads}
    losses: dict[str, dict[str, list[float]]] = {}
    with TemporaryDirectory(prefix="lambda-learner-", dir=room.folder) as folder:
        data = _quantiles(matrix, trees, Path(folder, "fit"), memory_bytes=room.memory_bytes)
        watched = data
        if held_out is not None:
            watched = _quantiles(held_out, trees, Path(folder, "held"), memory_bytes=room.memory_bytes, reference=data)
        booster = xgb.train(
            parameters | trees.options,
            data,
            trees.trees,
            evals=[(watched, "watched")],
            evals_result=losses,
            verbose_eval=False,
            early_stopping_rounds=trees.patience,
            callbacks=[_Tell(tell)],
        )
    (of_rounds,) = losses["watched"].values()
    return booster, of_rounds


def predict(booster: xgb.Booster, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The booster's value for each row."""
    values: npt.NDArray[np.float32] = booster.inplace_predict(features)
    return values


class _Pages(xgb.DataIter):
    """Hands the rows to XGBoost in pages of about `page_bytes`; it passes over them several times."""

    def __init__(self, pages: Iterable[Arrays], cache: Path | None, *, page_bytes: int) -> None:
        self._pages = pages
        self._page_bytes = page_bytes
        self.reset()
        super().__init__(cache_prefix=str(cache) if cache else None)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Give the next page; False after the last one."""
        page = next(self._left, None)
        if page is None:
            return False
        features, target, weight = page
        input_data(data=features, label=target, weight=weight)
        return True

    def reset(self) -> None:
        """Begin again."""
        self._left = _gathered(self._pages, self._page_bytes)


class _Tell(xgb.callback.TrainingCallback):
    """Tells after each tree how many there are."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's call
        """Tell; False: go on."""
        self._tell(epoch + 1)
        return False


def _gathered(pages: Iterable[Arrays], page_bytes: int) -> Iterator[Arrays]:
    """The pages, small ones put together."""
    waiting: list[Arrays] = []
    waiting_bytes = 0
    for page in pages:
        waiting.append(page)
        waiting_bytes += page[0].nbytes
        if waiting_bytes >= page_bytes:
            yield _stacked(waiting)
            waiting, waiting_bytes = [], 0
    if waiting:
        yield _stacked(waiting)


def _stacked(pages: Sequence[Arrays]) -> Arrays:
    return pages[0] if len(pages) == 1 else tuple(map(np.concatenate, zip(*pages, strict=True)))


def _quantiles(
    matrix: Matrix, trees: Trees, cache: Path, *, memory_bytes: int, reference: xgb.DMatrix | None = None
) -> xgb.DMatrix:
    in_memory = matrix.pages.total_bytes <= memory_bytes
    pages = _Pages(matrix.pages, None if in_memory else cache, page_bytes=memory_bytes // _PAGES)
    kind = xgb.QuantileDMatrix if in_memory else xgb.ExtMemQuantileDMatrix
    if reference is None:
        reference = _cuts(matrix, trees, memory_bytes)
    made: xgb.DMatrix = kind(pages, ref=reference, nthread=trees.threads)
    return made


def _cuts(matrix: Matrix, trees: Trees, memory_bytes: int) -> xgb.DMatrix | None:
    """Every n-th row, to take the bins of values from, if those of all rows would take too much memory."""
    columns = matrix.pages[0][0].shape[1]
    rows = max(memory_bytes // (columns * _SKETCHED_VALUE_BYTES), _MIN_SKETCHED_ROWS)
    if matrix.rows <= rows or columns * _SKETCHED_COLUMN_BYTES <= memory_bytes:
        return None
    step, kept, first = -(-matrix.rows // rows), [], 0
    for features, _, weight in matrix.pages:
        kept.append((features[first::step], weight[first::step]))
        first = (first - len(features)) % step
    features, weight = map(np.concatenate, zip(*kept, strict=True))
    return xgb.QuantileDMatrix(features, weight=weight, nthread=trees.threads)
