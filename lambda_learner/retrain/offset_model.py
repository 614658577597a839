"""A base as a scorer: what it adds to an entity's coefficients for an item in a context.

    offset = intercept + slope · f(item, context)        f: the model's score at the noise that it was trained with

Scoring many at once and one at a time agree to the last bit, so that a job and a reader do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from lambda_learner.encoding import BulkEncoder, Flattener, PathIds, sprinkle, to_float32
from lambda_learner.publish.bases import BaseEntry
from lambda_learner.publish.errors import DamagedObject
from lambda_learner.publish.model_file import DamagedModel
from lambda_learner.publish.store import Store
from lambda_learner.retrain.boost import predict
from lambda_learner.retrain.decision import DecisionModel

__all__ = ["NOISE", "DamagedBase", "OffsetModel", "load_offset_model"]

NOISE: Final = 0.5  # of a base's rows and calls: the middle, as nothing explores by it

Floats = npt.NDArray[np.float64]


class DamagedBase(DamagedObject):
    """The file of a base that the log names is missing, or is no model."""

    remedy = "restore it from a copy: rows are scored with it"


class OffsetModel:
    """One base's calibration and, unless it is the constant, its model."""

    def __init__(self, entry: BaseEntry, model: DecisionModel | None) -> None:
        self.entry, self._model = entry, model
        columns = dict(model.encoder.column_of) if model else {}
        self._paths = PathIds(len(columns), columns)  # full, so that a path of no feature gets no number
        self._bulk = BulkEncoder(model.encoder, self._paths) if model else None

    def offsets(self, items: Sequence[Any], contexts: Sequence[Any]) -> Floats:
        """The offset of each item in the context of its place, shape (items,); of some hundred 5 to 10 µs each.

        Values must be as JSON has them: what is written alike is flattened once, half of the cost.
        """
        if self._model is None or self._bulk is None or not items:
            return np.full(len(items), self.entry.intercept)
        flattener = Flattener(self._paths, (self._model.encoder.seed,))
        sides = []
        for root, values in (("context", contexts), ("item", items)):
            distinct, codes = _distinct(values)
            sides.append((flattener.flatten(root, distinct), codes))
        matrix = self._bulk.encode(flattener.keys(), sides)
        return self._calibrated(predict(self._model.booster, to_float32(sprinkle(matrix, NOISE))))

    def candidates(self, items: Sequence[Any], context: Any) -> Floats:
        """The offsets of some items in one context: about 100 µs for the call and 20 an item."""
        if self._model is None or not items:
            return np.full(len(items), self.entry.intercept)
        return self._calibrated(self._model.score(items, context, noise=NOISE))

    def _calibrated(self, scores: npt.NDArray[np.float32]) -> Floats:
        return self.entry.intercept + self.entry.slope * scores.astype(np.float64)


def _distinct(values: Sequence[Any]) -> tuple[list[Any], npt.NDArray[np.int32]]:
    """The values without repetitions, and the place among them of each."""
    place_of: dict[bytes, int] = {}
    codes: list[int] = []
    distinct: list[Any] = []
    for value in values:
        code = place_of.setdefault(orjson.dumps(value), len(distinct))
        if code == len(distinct):
            distinct.append(value)
        codes.append(code)
    return distinct, np.array(codes, dtype=np.int32)


def load_offset_model(store: Store, entry: BaseEntry) -> OffsetModel:
    """The base of an entry, its file one of ours or of the Gym; DamagedBase if it is not there, or no model."""
    if not entry.key:
        return OffsetModel(entry, None)
    found = store.get(entry.key)
    if found is None:
        raise DamagedBase(entry.key, "the activation log names it, but it is not in the bucket")
    try:
        return OffsetModel(entry, DecisionModel.of_file(found.data, entry.key))
    except DamagedModel as error:
        raise DamagedBase(entry.key, error.reason) from error
