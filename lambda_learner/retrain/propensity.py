"""The propensity model: how likely the chosen item was to be chosen, given its context and the time.

A decision is a row of target 1 with its item, and, where it has a sample, a row of target 0 with that, weighing
as many candidates as were passed over. It is only ever asked about the decisions that it was trained on.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from lambda_learner.encoding import BulkEncoder, Encoder, PathIds, TableRules, to_float32
from lambda_learner.retrain.block import Block, Codes, Floats
from lambda_learner.retrain.boost import Matrix, Trees, fit, predict, threads_for
from lambda_learner.retrain.dataset import Dataset
from lambda_learner.retrain.draws import Purpose, uniform
from lambda_learner.retrain.statistics import Statistics
from lambda_learner.retrain.workplace import Workplace

__all__ = ["TIME", "PropensityModel", "train_propensity"]

TIME: Final = "t"  # unix seconds of the decision, a feature of this model alone
HELD_OUT: Final = 0.3  # share of the decisions by which the number of trees is chosen
_TREES: Final = 200
_DEPTH: Final = 6
_PATIENCE: Final = 20


@dataclass(frozen=True, slots=True)
class PropensityModel:
    """The fitted model; `held_out_log_loss` is that of the kept trees on decisions that they were not grown on."""

    encoder: Encoder
    booster: xgb.Booster
    mean_item_count: float
    held_out_log_loss: float

    def propensities(self, block: Block, path_ids: PathIds, *, samples: bool = False) -> Floats:
        """P(chosen) of each decision's item (or sample), shape (decisions,); the block must have the model's seed."""
        bulk = BulkEncoder(self.encoder, path_ids)
        codes = block.sample if samples else block.item
        features = _features(block, bulk, codes, np.arange(block.decisions))
        return predict(self.booster, features).astype(np.float64)

    @property
    def features(self) -> tuple[str, ...]:
        """The features without the time."""
        return tuple(feature for feature in self.encoder.features if feature != TIME)


def train_propensity(dataset: Dataset, place: Workplace) -> PropensityModel:
    """Fit it; the trees after the best round are dropped."""
    statistics = Statistics(dataset.path_ids, place.seeds.propensity, max_strings=place.max_strings)
    for block in dataset.blocks():
        _count(block, statistics, gym=place.settings.is_gym)
    features = statistics.heaviest_features(place.settings.max_features - 1)
    rules = TableRules(0.0, 0.0, place.settings.max_strings_per_feature, place.width)
    encoder = Encoder(sorted([*features, TIME]), statistics.tables(features, rules), place.seeds.propensity)
    with closing(place.matrix().pages) as fitted, closing(place.matrix().pages) as held_out:
        rows = Matrix(fitted), Matrix(held_out)
        _encode(dataset, encoder, *rows, gym=place.settings.is_gym)
        booster, loss = _fit(*rows, dataset, place)
    return PropensityModel(encoder, booster, dataset.mean_item_count, loss)


def _samples(block: Block, *, gym: bool) -> npt.NDArray[np.int64]:
    """The decisions with a row of target 0.

    The original takes a sample that is not there for a null that was passed over, with full weight.
    """
    there = (block.sample >= 0) | gym
    return np.flatnonzero((block.candidates > 1) & (block.passed_over > 0) & there)


def _count(block: Block, statistics: Statistics, *, gym: bool) -> None:
    passed = _samples(block, gym=gym)
    ones, weights, zeros = np.ones(block.decisions), block.passed_over[passed], np.zeros(len(passed))
    parts = [
        (block.items, block.item, ones, ones),
        (block.contexts, block.context, ones, ones),
        (block.items, block.sample[passed], weights, zeros),
        (block.contexts, block.context[passed], weights, zeros),
    ]
    statistics.add(block.keys, parts)


def _encode(dataset: Dataset, encoder: Encoder, fitted: Matrix, held_out: Matrix, *, gym: bool) -> None:
    """Both rows of a decision are on the same side; the original splits the rows, and so looks at what it holds out."""
    bulk = BulkEncoder(encoder, dataset.path_ids)
    sample_purpose = Purpose.HELD_OUT_SAMPLE if gym else Purpose.HELD_OUT
    for block in dataset.blocks():
        everything, passed = np.arange(block.decisions), _samples(block, gym=gym)
        rows = (
            (block.item, everything, np.ones(block.decisions), 1.0, Purpose.HELD_OUT),
            (block.sample, passed, block.passed_over[passed], 0.0, sample_purpose),
        )
        for codes, decisions, weights, target, purpose in rows:
            features = _features(block, bulk, codes, decisions)
            held = uniform(block.draws[decisions], purpose) < HELD_OUT
            for matrix, side in ((fitted, ~held), (held_out, held)):
                matrix.append(features[side], np.full(int(side.sum()), target), weights[side])


def _features(
    block: Block, bulk: BulkEncoder, codes: Codes, decisions: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    sides = ((block.contexts, block.context[decisions]), (block.items, codes[decisions]))
    values = bulk.encode(block.keys, sides)
    values[:, bulk.encoder.column_of[TIME]] = block.seconds[decisions]
    return to_float32(values)


def _fit(fitted: Matrix, held_out: Matrix, dataset: Dataset, place: Workplace) -> tuple[xgb.Booster, float]:
    if not fitted.rows or not held_out.rows:  # a handful of decisions
        for page in held_out.pages:
            fitted.append(*page)
        watched = None
    else:
        watched = held_out
    trees = Trees(
        "binary:logistic", _TREES, _DEPTH, threads_for(dataset.decisions, place.settings.threads), patience=_PATIENCE
    )
    booster, losses = fit(
        fitted,
        trees,
        room=place.room,
        held_out=watched,
        tell=lambda done: place.report("propensity", done, _TREES),
    )
    best = int(np.argmin(losses))
    if not place.settings.is_gym:
        booster = booster[: best + 1]
        booster.set_param({"nthread": trees.threads})  # a slice has forgotten it
    return booster, losses[best]
