"""What goes into the update of many entities, as flat arrays; and whether they fit each other."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lambda_learner.learn.many.compiled import compiled
from lambda_learner.learn.posterior import FloatArray

__all__ = ["MISFITS", "Beliefs", "IntArray", "Records", "as_beliefs", "as_records", "dense", "first_misfit", "integers"]

IntArray = npt.NDArray[np.int64]


MISFITS: Final = {
    1: "labels, weights and offsets must be of one length, and columns and values too",
    2: "records.starts must be one number a record and the number of cells, rising from 0",
    3: "firsts must be one number an entity and the number of records, rising from 0",
    4: "beliefs.places must be one number an entity and the length of beliefs.mean, rising from 0",
    5: "beliefs.precision must have d numbers an entity of d coefficients when diagonal, d² when full",
    6: "records.columns must be at least 0 and below the number of their entity's coefficients",
}


class Records(NamedTuple):
    """Sparse records, one after the other; the cells of record i are `starts[i]` to `starts[i + 1]`."""

    starts: IntArray
    columns: IntArray
    values: FloatArray
    labels: FloatArray
    weights: FloatArray
    offsets: FloatArray


class Beliefs(NamedTuple):
    """The posteriors of E entities with d₀, d₁, … coefficients, one after the other.

    places: (E + 1,), where each entity's coefficients begin, and the end. mean: (Σ d,). precision: (Σ d,) when
    diagonal; (Σ d²,) when full, each d x d matrix row by row.
    """

    places: IntArray
    mean: FloatArray
    precision: FloatArray


def integers(numbers: npt.ArrayLike) -> IntArray:
    """The numbers as the loop takes them; no copy where they are so already."""
    return np.ascontiguousarray(numbers, dtype=np.int64)


def _floats(numbers: npt.ArrayLike) -> FloatArray:
    return np.ascontiguousarray(numbers, dtype=np.float64)


def as_records(given: Records) -> Records:
    """The records, of whatever numbers they are, as the loop takes them."""
    starts, columns, values, labels, weights, offsets = given
    return Records(
        integers(starts), integers(columns), _floats(values), _floats(labels), _floats(weights), _floats(offsets)
    )


def as_beliefs(given: Beliefs) -> Beliefs:
    """A copy of the beliefs, as the loop takes them and changes them."""
    return Beliefs(integers(given.places), np.array(given.mean, np.float64), np.array(given.precision, np.float64))


def dense(records: Records, first: int, last: int, d: int) -> FloatArray:
    """The features of records `first` to `last` as a matrix, shape (last - first, d); cells of one column add up."""
    starts = records.starts[first : last + 1]
    cells = slice(starts[0], starts[-1])
    x = np.zeros((last - first, d))
    np.add.at(x, (np.repeat(np.arange(len(x)), np.diff(starts)), records.columns[cells]), records.values[cells])
    return x


@compiled
def first_misfit(  # noqa: PLR0911, PLR0913, PLR0917 - numba raises no message made at run time
    firsts: IntArray, records: Records, places: IntArray, blocks: IntArray, means: int, precisions: int
) -> int:
    """0 when no array leads out of another, else the number of the first that does; the loop looks at no bounds.

    1 lengths of a batch's arrays, 2 `starts`, 3 `firsts`, 4 `places`, 5 `blocks`, 6 `columns`.
    """
    n, entities = len(records.labels), len(firsts) - 1
    if len(records.weights) != n or len(records.offsets) != n or len(records.columns) != len(records.values):
        return 1
    if len(records.starts) != n + 1 or not _is_rising(records.starts, len(records.values)):
        return 2
    if entities < 0 or not _is_rising(firsts, n):
        return 3
    if len(places) != entities + 1 or not _is_rising(places, means):
        return 4
    if not _is_rising(blocks, precisions):
        return 5
    for e in range(entities):
        for cell in range(records.starts[firsts[e]], records.starts[firsts[e + 1]]):
            if not 0 <= records.columns[cell] < places[e + 1] - places[e]:
                return 6
    return 0


@compiled
def _is_rising(pointers: IntArray, end: int) -> bool:
    """Whether the numbers go from 0 to `end` and never fall."""
    for i in range(len(pointers) - 1):
        if pointers[i] > pointers[i + 1]:
            return False
    return bool(pointers[0] == 0 and pointers[-1] == end)
