"""Updates as the rows of a coefficient file, built from flat lists: no Python object per number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lambda_learner.learn.state import Noise
from lambda_learner.publish import cholesky
from lambda_learner.publish.coefficients import FloatArray, NameTerm, Tombstone, Update, newest_of_each
from lambda_learner.publish.rows import SCHEMA, IntArray

__all__ = ["encode"]


def encode(updates: Iterable[Update]) -> pa.Table:
    """Give the rows of the updates; of two updates of one entity the one with the later close stays."""
    newest = list(newest_of_each(updates).values())
    rows = _Rows()
    for update in newest:
        rows.add(update)
    return rows.table([update.entity for update in newest])


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
        self.noises: list[Noise] = []

    def add(self, update: Update) -> None:
        self.closes.append(update.close_ms)
        self.noises.append(Noise() if isinstance(update, Tombstone) else update.noise)
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
            *_noises(self.noises, sizes),
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


_NOTHING: FloatArray = np.zeros(1)  # the numbers of a tombstone's row, masked


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _texts(codes: npt.NDArray[Any], dictionary: list[str]) -> pa.DictionaryArray:
    codes = codes.astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(dictionary, pa.string()))


def _noises(noises: list[Noise], sizes: IntArray) -> list[pa.Array]:
    """Give the two columns of the noise, each value on all rows of its entity; null where nothing is known."""
    unknown = np.repeat(np.array([noise == Noise() for noise in noises], bool), sizes)
    columns = np.array(noises, np.float64).reshape(-1, 2).T
    return [pa.array(np.repeat(values, sizes), mask=unknown) for values in columns]


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
