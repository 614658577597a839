"""Updates as the rows of a coefficient file and back (DESIGN §5 columns).

One row a coefficient, in order of entity, name, term; a tombstone is one row whose name is null. A full
posterior has its packed Cholesky factor, in the order of its rows, on its first row. Texts are dictionary-
encoded, each dictionary in order of first appearance, so equal content gives equal tables; and each distinct
text costs Python once, not per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lambda_learner.publish import cholesky
from lambda_learner.publish.coefficients import (
    EntityCoefficients,
    FloatArray,
    NameTerm,
    Tombstone,
    Update,
    newest_of_each,
)

__all__ = ["SCHEMA", "TEXTS", "codes_of", "decode", "encode", "run_starts"]

IntArray = npt.NDArray[np.int64]
TEXTS = ("entity", "name", "term", "base_version")
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
    ]
)


def encode(updates: Iterable[Update]) -> pa.Table:
    """Give the rows of the updates; of two updates of one entity the one with the later close stays."""
    newest = list(newest_of_each(updates).values())
    rows = _Rows()
    for update in newest:
        rows.add(update)
    return rows.table([update.entity for update in newest])


def decode(table: pa.Table) -> list[Update]:
    """Give the updates of a table's rows, in order; ValueError if the rows don't fit together."""
    starts = run_starts(codes_of(table, "entity"))
    entities = table["entity"].chunk(0).take(pa.array(starts)).to_pylist() if len(starts) else []
    names = _name_terms(table)
    columns = {name: _numbers(table, name) for name in ("mean", "precision", "count", "updated_at")}
    versions = table["base_version"].take(pa.array(starts)).to_pylist()
    factors = table["cholesky"].take(pa.array(starts)).combine_chunks()
    has_factors = factors.null_count < len(factors)
    stops = [*starts[1:].tolist(), table.num_rows]
    updates: list[Update] = []
    for index, (start, stop) in enumerate(zip(starts.tolist(), stops, strict=True)):
        close_ms = int(columns["updated_at"][start])
        if names[start] is None:
            updates.append(Tombstone(entities[index], close_ms))
            continue
        precision = columns["precision"][start:stop]
        if has_factors and factors[index].is_valid:
            precision = cholesky.unpack(factors[index].values.to_numpy(), stop - start)
        updates.append(
            EntityCoefficients(
                entity=entities[index],
                close_ms=close_ms,
                count=int(columns["count"][start]),
                names=tuple(names[start:stop]),  # type: ignore[arg-type]
                mean=columns["mean"][start:stop],
                precision=precision,
                base_version=versions[index],
            )
        )
    return updates


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


class _Rows:
    """Columns in the making: flat lists of texts' codes and of per-entity arrays."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.counts: list[int] = []
        self.closes: list[int] = []
        self.versions: list[int] = []
        self.version_codes: dict[str, int] = {}
        self.names: list[int] = []
        self.name_codes: dict[str, int] = {}
        self.terms: list[int] = []
        self.term_codes: dict[str, int] = {}
        self.means: list[FloatArray] = []
        self.variances: list[FloatArray] = []
        self.precisions: list[FloatArray] = []
        self.factors: list[FloatArray | None] = []

    def add(self, update: Update) -> None:
        self.closes.append(update.close_ms)
        if isinstance(update, Tombstone):
            self._add_texts([None], "")
            self._add_numbers(0, _NOTHING, _NOTHING, _NOTHING, factor=None)
            return
        order = sorted(range(len(update.names)), key=update.names.__getitem__)
        self._add_texts([update.names[index] for index in order], update.base_version)
        if update.is_full:
            precision = update.precision[np.ix_(order, order)]
            packed = cholesky.pack(precision)
            diagonal, variance, factor = np.diag(precision), packed.variance, packed.factor
        else:
            diagonal = update.precision[order]
            with np.errstate(divide="ignore"):
                variance, factor = 1.0 / diagonal, None
        self._add_numbers(update.count, update.mean[order], variance, diagonal, factor=factor)

    def _add_texts(self, names: Sequence[NameTerm | None], version: str) -> None:
        name_codes, term_codes, version_codes = self.name_codes, self.term_codes, self.version_codes
        for name_term in names:
            if name_term is None:
                self.names.append(-1)
                self.terms.append(-1)
            else:
                name, term = name_term
                self.names.append(name_codes.setdefault(name, len(name_codes)))
                self.terms.append(term_codes.setdefault(term, len(term_codes)))
        self.sizes.append(len(names))
        self.versions.append(version_codes.setdefault(version, len(version_codes)))

    def _add_numbers(
        self,
        count: int,
        mean: FloatArray,
        variance: FloatArray,
        precision: FloatArray,
        *,
        factor: FloatArray | None,
    ) -> None:
        self.counts.append(count)
        self.means.append(mean)
        self.variances.append(variance)
        self.precisions.append(precision)
        self.factors.append(factor)

    def table(self, entities: list[str]) -> pa.Table:
        sizes = np.array(self.sizes, np.int64)
        names = np.array(self.names, np.int32)
        gone = names < 0

        def per_entity(values: list[int]) -> npt.NDArray[np.int64]:
            return np.repeat(np.array(values, np.int64), sizes)

        columns = [
            _texts(np.repeat(np.arange(len(entities)), sizes), entities),
            _texts(names, list(self.name_codes)),
            _texts(np.array(self.terms, np.int32), list(self.term_codes)),
            *(pa.array(_joined(parts), mask=gone) for parts in (self.means, self.variances, self.precisions)),
            pa.array(per_entity(self.counts)),
            pa.array(per_entity(self.closes)).cast(SCHEMA.field("updated_at").type),
            _texts(per_entity(self.versions), list(self.version_codes)),
            _lists(self.factors, sizes),
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


_NOTHING: FloatArray = np.zeros(1)  # the numbers of a tombstone's row, masked


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _texts(codes: npt.NDArray[Any], dictionary: list[str]) -> pa.DictionaryArray:
    codes = codes.astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(dictionary, pa.string()))


def _lists(factors: list[FloatArray | None], sizes: IntArray) -> pa.ListArray:
    """Give the factors' column: each on the first row of its entity, null elsewhere."""
    lengths = np.zeros(int(sizes.sum()), np.int64)
    present = np.zeros(len(lengths), bool)
    for start, factor in zip((np.cumsum(sizes) - sizes).tolist(), factors, strict=True):
        if factor is not None:
            lengths[start], present[start] = len(factor), True
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = _joined([factor for factor in factors if factor is not None])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), mask=pa.array(~present))


def _numbers(table: pa.Table, column: str) -> npt.NDArray[Any]:
    values = table[column].combine_chunks()
    if column == "updated_at":
        values = values.cast(pa.int64())
    numbers: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers


def _name_terms(table: pa.Table) -> list[NameTerm | None]:
    """Give each row's (name, term), None for a tombstone's; equal pairs are one object."""
    names, terms = codes_of(table, "name"), codes_of(table, "term")
    if len(names) == 0:
        return []
    width = int(terms.max()) + 2
    distinct, pair_of_row = np.unique((names + 1) * width + terms + 1, return_inverse=True)
    name_texts = table["name"].chunk(0).dictionary.to_pylist()
    term_texts = table["term"].chunk(0).dictionary.to_pylist()
    pairs: list[NameTerm | None] = [
        (name_texts[code // width - 1], term_texts[code % width - 1]) if code >= width else None
        for code in distinct.tolist()
    ]
    return [pairs[index] for index in pair_of_row.tolist()]
