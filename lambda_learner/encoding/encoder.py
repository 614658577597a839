"""One item and context as a model's vector: what serving does for each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lambda_learner.encoding.flatten import leaves
from lambda_learner.encoding.noise import sprinkle
from lambda_learner.encoding.string_table import StringTable, text_hash

__all__ = ["MAX_SEED", "Encoder"]

MAX_SEED: Final = 2**32 - 1  # two of the SDKs keep a seed in 32 bits; one refuses 0

_NO_TABLE: Final = StringTable()


class Encoder:
    """A model's features in the order of its columns, their string tables and the seed of the hashes.

    ValueError for features that are none, empty or there twice, a table of no feature, a seed out of
    1…2³²-1.
    """

    __slots__ = ("column_of", "features", "seed", "tables")

    def __init__(self, features: Sequence[str], tables: Mapping[str, Sequence[int]], seed: int) -> None:
        self.features = tuple(features)
        self.column_of = {feature: column for column, feature in enumerate(self.features)}
        self.seed = seed
        _check(self.features, self.column_of, tables, seed=seed)
        self.tables = {feature: StringTable(entries) for feature, entries in tables.items()}

    def table(self, feature: str) -> StringTable:
        """The string table of a feature, the empty one if it has none."""
        return self.tables.get(feature, _NO_TABLE)

    def encode(self, item: Any, context: Any = None, *, noise: float = 0.0) -> npt.NDArray[np.float64]:
        """The vector of a candidate, shape (features,); NaN where it has nothing.

        `noise` in [0, 1) is one draw for all candidates of a call.
        """
        values = np.full(len(self.features), np.nan)
        for path, leaf in (leaves("context", context) | leaves("item", item)).items():
            column = self.column_of.get(path)
            if column is not None:
                values[column] = self._text_value(path, leaf) if isinstance(leaf, str) else leaf
        return sprinkle(values, noise)

    def _text_value(self, feature: str, text: str) -> float:
        return self.table(feature).value(text_hash(text, self.seed))


def _check(
    features: tuple[str, ...], distinct: Mapping[str, int], tables: Mapping[str, Sequence[int]], *, seed: int
) -> None:
    if not features or "" in distinct or len(distinct) < len(features):
        message = f"features must be one or more distinct paths, got {list(features[:5])}"
        raise ValueError(message)
    foreign = sorted(tables.keys() - distinct.keys())
    if foreign:
        message = f"string_tables must be of the model's features, got one of {foreign[0]!r}"
        raise ValueError(message)
    if type(seed) is not int or not 1 <= seed <= MAX_SEED:
        message = f"seed must be an integer in 1…{MAX_SEED}, got {seed!r}"
        raise ValueError(message)
