"""A block of decisions as arrays: parsed once, then encoded for one model after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from lambda_learner.encoding import Flat, Flattener, Keys, PathIds
from lambda_learner.events import ksuid
from lambda_learner.retrain.draws import Digests, digests
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.spool import Arrays
from lambda_learner.retrain.targets import rewards_of
from lambda_learner.retrain.weights import logged_propensities

__all__ = ["Block", "Floats", "block_of"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]


class Block(NamedTuple):
    """Decisions as arrays of one length, and the distinct items and contexts that their codes point to.

    `passed_over` is how many candidates the sample stands for; a sample code of -1 is none. `propensity` is the logged
    one, nan where there is none. `draws` are the digests that random numbers come from.
    """

    draws: Digests
    seconds: Floats
    reward: Floats
    candidates: Floats
    passed_over: Floats
    propensity: Floats
    item: Codes
    sample: Codes
    context: Codes
    items: Flat
    contexts: Flat
    keys: Keys

    @property
    def decisions(self) -> int:
        """How many there are."""
        return len(self.draws)

    def arrays(self) -> Arrays:
        """The block for a spool."""
        return (*self[:9], *self.items, *self.contexts, *self.keys)

    @classmethod
    def of(cls, arrays: Arrays) -> Block:
        """The block of a spool's arrays."""
        draws, seconds, reward, candidates, passed_over, propensity, item, sample, context = arrays[:9]
        of_rows = draws, seconds, reward, candidates, passed_over, propensity, item, sample, context
        return cls(*of_rows, Flat(*arrays[9:12]), Flat(*arrays[12:15]), Keys(*arrays[15:]))


def block_of(  # noqa: PLR0913 - rows, what they become, and what that takes
    rows: pa.Table,
    path_ids: PathIds,
    settings: TrainingSettings,
    *,
    draws: int,
    hash_seeds: Sequence[int],
    set_aside: Counter[str],
) -> Block:
    """The block of rows with `rows.COLUMNS`; those that cannot be read or used are counted and left out.

    `draws` seeds the decisions' random numbers, `hash_seeds` are those of the models that the block is for.
    """
    flattener = Flattener(path_ids, hash_seeds)
    chosen_or_sample = pa.chunked_array([*rows["item"].chunks, *rows["sample"].chunks], pa.binary())
    both, items, bad_items = _flat(flattener, "item", chosen_or_sample)
    context, contexts, bad_contexts = _flat(flattener, "context", rows["context"])
    item, sample = np.split(both, 2)
    ids = rows["decision_id"].to_pylist()
    seconds = np.array([_seconds(decision_id) for decision_id in ids])
    count = rows["count"].to_numpy().astype(np.float64)
    passed_over = count - 1 - np.array([_length(text) for text in rows["runners_up"].to_pylist()])
    readable = ~(bad_items[item] | bad_items[sample] | bad_contexts[context] | np.isnan(seconds + passed_over))
    usable = readable & (count >= 1) & (passed_over >= 0) & np.isfinite(count)
    texts = rows["rewards"].to_pylist()
    places = np.flatnonzero(usable)
    reward = rewards_of(
        [texts[place] for place in places], seconds[places].tolist(), settings.reward, settings.late_rewards
    )
    if settings.binary_rewards:
        reward = np.where(np.isnan(reward), np.nan, (reward > 0).astype(np.float64))
    kept, reward = places[~np.isnan(reward)], reward[~np.isnan(reward)]
    set_aside["unreadable"] += int((~usable).sum())
    set_aside["of unusable rewards"] += len(places) - len(kept)
    propensity = logged_propensities(rows["propensity"])[kept]
    of_rows = (seconds[kept], reward, count[kept], passed_over[kept], propensity)
    codes = (item[kept], sample[kept], context[kept])
    return Block(digests([ids[place] for place in kept], draws), *of_rows, *codes, items, contexts, flattener.keys())


def _flat(flattener: Flattener, root: str, column: pa.ChunkedArray) -> tuple[Codes, Flat, npt.NDArray[np.bool_]]:
    """A column's codes (-1: null), its distinct texts flattened, and by code which of them are no JSON."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    texts = encoded.dictionary.to_pylist()
    bad = np.zeros(len(texts) + 1, np.bool_)  # the last is that of code -1
    codes: Codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, flattener.flatten(root, _parsed(texts, bad)), bad


def _parsed(texts: Sequence[bytes], bad: npt.NDArray[np.bool_]) -> list[Any]:
    values: list[Any] = []
    for place, text in enumerate(texts):
        try:
            values.append(orjson.loads(text))
        except orjson.JSONDecodeError:
            values.append(None)
            bad[place] = True
    return values


def _seconds(decision_id: bytes | None) -> float:
    try:
        return float(ksuid.unix_seconds(decision_id.decode())) if decision_id is not None else np.nan
    except ValueError:
        return np.nan


def _length(runners_up: bytes | None) -> float:
    if runners_up is None:
        return 0.0
    try:
        value = orjson.loads(runners_up)
    except orjson.JSONDecodeError:
        return np.nan
    return float(len(value)) if isinstance(value, list) else 0.0 if value is None else np.nan
