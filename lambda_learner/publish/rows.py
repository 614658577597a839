"""The rows of a coefficient file (DESIGN §5 columns), and the updates that they hold.

One row a coefficient, in order of entity, name, term; a tombstone is one row whose name is null. A full
posterior has its packed Cholesky factor, in the order of its rows, on its first row. Where the noise variance
is estimated, `noise_degrees` and `noise_squares` have on each row what its entity's learner knows of it; null
is nothing. A file leaves out those of these columns that are null throughout. Texts are dictionary-encoded,
each dictionary in order of first appearance, so equal content gives equal tables; and each distinct text costs
Python once, not per row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lambda_learner.learn.state import Noise
from lambda_learner.publish import cholesky
from lambda_learner.publish.coefficients import EntityCoefficients, FloatArray, NameTerm, Tombstone, Update

__all__ = ["NOISE", "OPTIONAL", "SCHEMA", "TEXTS", "IntArray", "codes_of", "decode", "run_starts"]

IntArray = npt.NDArray[np.int64]
TEXTS = ("entity", "name", "term", "base_version")
NOISE = ("noise_degrees", "noise_squares")
OPTIONAL = ("cholesky", *NOISE)
_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("entity", _TEXT),
        ("name", _TEXT),
        ("term", _TEXT),
        ("mean", pa.float64()),
        ("variance", pa.float64()),  # marginal
        ("precision", pa.float64()),  # its diagonal
        ("count", pa.int64()),
        ("updated_at", pa.timestamp("ms", tz="UTC")),
        ("base_version", _TEXT),
        ("cholesky", pa.list_(pa.float64())),
        *((name, pa.float64()) for name in NOISE),
    ]
)


def decode(table: pa.Table) -> list[Update]:
    """Give the updates of a table's rows, in order; ValueError if the rows don't fit together.

    The table has one chunk; the arrays of the updates share its memory.
    """
    if table.num_rows == 0:
        return []
    starts = run_starts(codes_of(table, "entity"))
    first = table.take(pa.array(starts))
    entities = _Entities(
        entities=first["entity"].to_pylist(),
        closes_ms=first["updated_at"].cast(pa.int64()).to_pylist(),
        counts=first["count"].to_pylist(),
        versions=first["base_version"].to_pylist(),
        factors=first["cholesky"].combine_chunks(),
        noises=_noises(first),
    )
    rows = _RowValues(_name_terms(table), _numbers(table, "mean"), _numbers(table, "precision"))
    stops = [*starts[1:].tolist(), table.num_rows]
    return [
        _update(entities, rows, index, slice(start, stop))
        for index, (start, stop) in enumerate(zip(starts.tolist(), stops, strict=True))
    ]


class _Entities(NamedTuple):
    """The columns that hold one value an entity, taken from its first row."""

    entities: list[str]
    closes_ms: list[int]
    counts: list[int]
    versions: list[str]
    factors: pa.ListArray
    noises: list[Noise]


class _RowValues(NamedTuple):
    """The columns that hold one value a row."""

    names: list[NameTerm | None]
    means: FloatArray
    precisions: FloatArray


def _update(entities: _Entities, rows: _RowValues, index: int, where: slice) -> Update:
    entity, close_ms = entities.entities[index], entities.closes_ms[index]
    names = tuple(name for name in rows.names[where] if name is not None)
    if not names:
        return Tombstone(entity, close_ms)
    precision, factors = rows.precisions[where], entities.factors
    if factors.null_count < len(factors) and factors[index].is_valid:
        precision = cholesky.unpack(factors[index].values.to_numpy(), len(names))
    count, version, noise = entities.counts[index], entities.versions[index], entities.noises[index]
    return EntityCoefficients(entity, close_ms, count, names, rows.means[where], precision, version, noise)


def _noises(first: pa.Table) -> list[Noise]:
    if all(first[name].null_count == first.num_rows for name in NOISE):
        return [Noise()] * first.num_rows
    pairs = zip(*(first[name].to_pylist() for name in NOISE), strict=True)
    return [Noise() if None in pair else Noise(*pair) for pair in pairs]


def run_starts(codes: IntArray) -> IntArray:
    """Give where each run of equal codes starts."""
    if len(codes) == 0:
        return np.zeros(0, np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1]).astype(np.int64)


def codes_of(table: pa.Table, column: str) -> IntArray:
    """Give a text column's dictionary codes, -1 for null; the table has one chunk."""
    if table.num_rows == 0:
        return np.zeros(0, np.int64)
    indices = table[column].chunk(0).indices
    codes: IntArray = indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _numbers(table: pa.Table, column: str) -> FloatArray:
    numbers: FloatArray = table[column].combine_chunks().to_numpy(zero_copy_only=False)
    return numbers


def _name_terms(table: pa.Table) -> list[NameTerm | None]:
    """Give each row's (name, term), None for a tombstone's; equal pairs are one object."""
    names, terms = codes_of(table, "name"), codes_of(table, "term")
    width = int(terms.max()) + 2
    distinct, pair_of_row = np.unique((names + 1) * width + terms + 1, return_inverse=True)
    name_texts = table["name"].chunk(0).dictionary.to_pylist()
    term_texts = table["term"].chunk(0).dictionary.to_pylist()
    pairs: list[NameTerm | None] = [
        (name_texts[code // width - 1], term_texts[code % width - 1]) if code >= width else None
        for code in distinct.tolist()
    ]
    return [pairs[index] for index in pair_of_row.tolist()]
