"""The rows of a training as a model's matrix: what `Encoder` does for one, for many at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from lambda_learner.encoding.columns import Flat, Keys, PathIds
from lambda_learner.encoding.encoder import Encoder

__all__ = ["BulkEncoder"]


class BulkEncoder:
    """Encodes flat batches for one model.

    Takes the paths that are numbered when it is made: those met later are none of the model's.
    """

    def __init__(self, encoder: Encoder, path_ids: PathIds) -> None:
        self.encoder = encoder
        ids = path_ids.ids
        # One more, so that NOT_A_PATH (-1) finds no column.
        self._column_of = np.full(len(ids) + 1, -1, dtype=np.int64)
        for feature, column in encoder.column_of.items():
            if feature in ids:
                self._column_of[ids[feature]] = column

    def encode(self, keys: Keys, sides: Iterable[tuple[Flat, npt.NDArray[np.int32]]]) -> npt.NDArray[np.float64]:
        """The matrix without noise, shape (rows, features).

        Each side is a flat batch and, for each row, the number of its value there, -1 for none. Of two sides
        that have the same paths the later one wins. ValueError if the batch has no hashes of the model's seed.
        """
        columns, text_values = self._of_keys(keys)
        matrix: npt.NDArray[np.float64] | None = None
        for flat, codes in sides:
            if matrix is None:
                matrix = np.full((len(codes), len(self.encoder.features)), np.nan)
            _fill(matrix, flat, codes, columns=columns, text_values=text_values)
        assert matrix is not None
        return matrix

    def _of_keys(self, keys: Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """For each key its column (-1: none), and its value if it is a string's (NaN otherwise)."""
        columns = self._column_of[np.minimum(keys.paths, len(self._column_of) - 1)]
        values = np.full(len(columns), np.nan)
        hashes = keys.hashes_of(self.encoder.seed)
        texts = np.flatnonzero(keys.is_text & (columns >= 0))
        texts = texts[np.argsort(columns[texts], kind="stable")]
        for same in np.split(texts, np.flatnonzero(np.diff(columns[texts])) + 1):
            if len(same):
                table = self.encoder.table(self.encoder.features[columns[same[0]]])
                values[same] = table.values(hashes[same])
        return columns, values


def _fill(
    matrix: npt.NDArray[np.float64],
    flat: Flat,
    codes: npt.NDArray[np.int32],
    *,
    columns: npt.NDArray[np.int64],
    text_values: npt.NDArray[np.float64],
) -> None:
    """Write one side's values over the matrix: each distinct value is encoded once, then copied to its rows."""
    column = columns[flat.keys]
    known = np.flatnonzero(column >= 0)
    if not len(known):
        return
    used, column = np.unique(column[known], return_inverse=True)
    text = text_values[flat.keys[known]]
    distinct = np.full((len(flat.starts), len(used)), np.nan)  # the last row is that of code -1
    distinct[flat.rows()[known], column] = np.where(np.isnan(text), flat.numbers[known], text)
    rows = distinct[codes]
    given = ~np.isnan(rows)
    matrix[:, used] = np.where(given, rows, matrix[:, used])
