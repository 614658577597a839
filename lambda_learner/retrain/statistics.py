"""Sums over a data set by feature and by string: which features count, and what their string tables are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from lambda_learner.encoding import Flat, Keys, PathIds, TableRules, TextTotals, Totals, build_tables, weigh_keys
from lambda_learner.retrain.block import Codes, Floats

__all__ = ["Part", "Statistics"]

Part: TypeAlias = tuple[Flat, Codes, Floats, Floats]  # a side of a block, its rows' codes, weights and targets


class Statistics:
    """Sums for the model of that seed; over `max_strings` distinct strings the rarest are forgotten."""

    def __init__(self, path_ids: PathIds, seed: int, *, max_strings: int) -> None:
        self._path_ids = path_ids
        self._seed = seed
        self._weight_of_path = np.zeros(len(path_ids.ids))
        self._texts = TextTotals(max_strings=max_strings)

    def add(self, keys: Keys, parts: Sequence[Part]) -> None:
        """Add the rows of a block."""
        weight, target, rows = weigh_keys(keys, parts)
        known = np.flatnonzero((keys.paths >= 0) & (rows > 0))
        self._weight_of_path += np.bincount(keys.paths[known], weight[known], len(self._weight_of_path))
        texts = known[keys.is_text[known]]
        hashes = keys.hashes_of(self._seed)
        self._texts.add(Totals(keys.paths[texts], hashes[texts], weight[texts], target[texts], rows[texts]))

    def heaviest_features(self, most: int) -> list[str]:
        """The paths that most weight of rows has, at most so many, in order of name (of their code points)."""
        weights = zip(self._path_ids.ids, self._weight_of_path.tolist(), strict=True)
        by_weight = sorted((-weight, path) for path, weight in weights if weight > 0)
        return sorted(path for _, path in by_weight[:most])

    def tables(self, features: Sequence[str], rules: TableRules) -> dict[str, list[int]]:
        """The string tables of the features, in the order of their names."""
        ids = self._path_ids.ids
        tables = build_tables(self._texts.merged(), {ids[name]: name for name in features if name in ids}, rules)
        return {feature: tables[feature] for feature in features if feature in tables}
