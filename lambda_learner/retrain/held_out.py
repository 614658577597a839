"""What models say of decisions that none of them was trained on: the numbers that a gate compares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lambda_learner.encoding import PathIds
from lambda_learner.retrain.block import Floats
from lambda_learner.retrain.dataset import Dataset
from lambda_learner.retrain.decision import DecisionModel
from lambda_learner.retrain.propensity import PropensityModel
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.spool import Spool

__all__ = ["HeldOut", "held_out"]

_NO_DRAWS = 0  # nothing is drawn


class HeldOut(NamedTuple):
    """Decisions in the order of the rows, arrays of one length; scores (models, decisions), in the models' own unit.

    `candidates` is their number, the chosen one included. Where `has_sample` is False, the numbers of the sample
    are those of a null item.
    """

    seconds: Floats
    rewards: Floats
    candidates: Floats
    has_sample: npt.NDArray[np.bool_]
    propensities: Floats
    sample_propensities: Floats
    scores: Floats
    sample_scores: Floats


def held_out(
    rows: Iterable[pa.Table], settings: TrainingSettings, propensity: PropensityModel, models: Sequence[DecisionModel]
) -> HeldOut:
    """Score rows with models, whoever trained them. Rewards are made as the settings say."""
    seeds = {propensity.encoder.seed: None, **{model.encoder.seed: None for model in models}}
    parts = []
    with Spool(settings.max_memory_bytes // 8, settings.spool_folder) as spool:
        dataset = Dataset(spool, PathIds(settings.max_paths))
        dataset.read(rows, settings, draws=_NO_DRAWS, hash_seeds=tuple(seeds))
        paths = dataset.path_ids
        for block in dataset.blocks():
            sides = (False, True)
            chances = [propensity.propensities(block, paths, samples=side) for side in sides]
            scores = [[model.predict(block, paths, samples=side) for model in models] for side in sides]
            shaped = [np.array(of_side).reshape(len(models), block.decisions) for of_side in scores]
            parts.append((block.seconds, block.reward, block.candidates, block.sample >= 0, *chances, *shaped))
    if not parts:
        none, no_scores = np.empty(0), np.empty((len(models), 0))
        return HeldOut(none, none, none, none.astype(np.bool_), none, none, no_scores, no_scores)
    return HeldOut(*(np.concatenate(column, axis=-1) for column in zip(*parts, strict=True)))
