"""The decision model: the reward that an item brings in a context, from decisions weighted by inverse propensity.

The propensity is the one that a decision carries, where it does, else the modelled one; for the original's choices
(`compatible: gym`) always the latter.

Exploration lies within it: each training sees one bootstrap sample, and each row has a noise that trees split
on, as the clients' calls do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from lambda_learner.encoding import BulkEncoder, Encoder, PathIds, TableRules, sprinkle, to_float32
from lambda_learner.evaluation.influence import effective_size
from lambda_learner.evaluation.off_policy import inverse_propensity_weights
from lambda_learner.publish.model_file import from_model_file
from lambda_learner.retrain.block import Block, Codes, Floats
from lambda_learner.retrain.boost import Matrix, Trees, fit, predict, threads_for
from lambda_learner.retrain.dataset import Dataset
from lambda_learner.retrain.draws import Purpose, uniform
from lambda_learner.retrain.moments import Moments
from lambda_learner.retrain.propensity import PropensityModel
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.statistics import Statistics
from lambda_learner.retrain.weights import bootstrap_of
from lambda_learner.retrain.workplace import Workplace

__all__ = ["DecisionModel", "Scale", "train_decision"]

WITHOUT_CONTEXT: Final = 0.05  # share of the rows whose context is dropped, so that items are learned by themselves
PRIOR_ROWS: Final = 300.0  # of the mean reward, behind each string's score
UNUSED: Final = 0.3  # share of the rows that the original holds out for nothing
_MIN_UNUSED_OF: Final = 50  # decisions: of fewer, nothing might be left


class Scale(NamedTuple):
    """A target is (reward - mean) / deviation; `prior_mean` is the mean target, that of a string's prior."""

    mean: float
    deviation: float
    prior_mean: float


@dataclass(frozen=True, slots=True)
class DecisionModel:
    """An encoder and its booster: what a client makes of the model file."""

    encoder: Encoder
    booster: xgb.Booster

    @classmethod
    def of_file(cls, data: bytes, key: str = "the model") -> DecisionModel:
        """The model of a file's bytes; DamagedModel names the key."""
        return cls.of(*from_model_file(data, key))

    @classmethod
    def of(cls, booster: xgb.Booster, metadata: Mapping[str, Any]) -> DecisionModel:
        """The model of a file that has been read."""
        features, tables, seed = (metadata[f"ai.improve.{name}"] for name in ("features", "string_tables", "seed"))
        return cls(Encoder(features, tables, seed), booster)

    def score(self, items: Sequence[Any], context: Any = None, *, noise: float = 0.0) -> npt.NDArray[np.float32]:
        """The score of each item, shape (items,); a client adds up to 2⁻²³ of random to break ties."""
        rows = [self.encoder.encode(item, context, noise=noise) for item in items]
        return predict(self.booster, to_float32(np.array(rows).reshape(len(rows), len(self.encoder.features))))

    def predict(self, block: Block, path_ids: PathIds, *, samples: bool = False, noise: float = 0.5) -> Floats:
        """The score of each decision's item (or sample), shape (decisions,); the block must have the model's seed."""
        codes = block.sample if samples else block.item
        bulk = BulkEncoder(self.encoder, path_ids)
        values = bulk.encode(block.keys, ((block.contexts, block.context), (block.items, codes)))
        return predict(self.booster, to_float32(sprinkle(values, noise))).astype(np.float64)


class Fitted(NamedTuple):
    """The model and how its training went; `loss` is the weighted RMSE on the rows that it was fitted to.

    logged_propensities: how many rows of the bootstrap sample were weighted by the propensity that they carry.
    """

    model: DecisionModel
    rows: int
    logged_propensities: int
    effective_rows: float
    rewards: Moments
    loss: float


class _Rows(NamedTuple):
    """The rows of a block that are trained on: places in the block, weights, targets, codes of contexts."""

    places: npt.NDArray[np.int64]
    weight: Floats
    target: Floats
    context: Codes


def train_decision(dataset: Dataset, propensity: PropensityModel, place: Workplace) -> Fitted:
    """Fit it to all decisions (of the bootstrap sample)."""
    settings = place.settings
    explore, rewards = _sampled_rewards(dataset, settings)
    scale = _scale(rewards, settings)
    statistics = Statistics(dataset.path_ids, place.seeds.decision, max_strings=place.max_strings)
    weights: list[Floats] = []
    logged = 0
    for block in dataset.blocks():
        is_logged = np.isfinite(block.propensity) & (not settings.is_gym)
        modelled = propensity.propensities(block, dataset.path_ids)
        propensities = np.where(is_logged, block.propensity, modelled)
        weights.append(_weights(block, propensities, dataset.mean_item_count, explore=explore))
        logged += int((is_logged & (weights[-1] > 0)).sum())
        rows = _rows(block, weights[-1], scale)
        item, context = block.item[rows.places], rows.context
        sides = ((block.contexts, context), (block.items, item))
        statistics.add(block.keys, [(flat, codes, rows.weight, rows.target) for flat, codes in sides])
        place.report("weights", len(weights), len(dataset.spool))
    features = [feature for feature in propensity.features if not settings.excludes(feature)]
    rules = TableRules(PRIOR_ROWS, scale.prior_mean, settings.max_strings_per_feature, place.width)
    encoder = Encoder(features, statistics.tables(features, rules), place.seeds.decision)
    with closing(place.matrix().pages) as pages:
        matrix = Matrix(pages)
        bulk, unused = BulkEncoder(encoder, dataset.path_ids), _unused(dataset, settings)
        for block, of_block in zip(dataset.blocks(), weights, strict=True):
            rows = _rows(block, of_block, scale, unused=unused)
            matrix.append(_features(block, rows, bulk, settings.noise), rows.target, rows.weight)
        booster, losses = _fit(matrix, dataset, place)
    size = effective_size(np.concatenate(weights))
    return Fitted(DecisionModel(encoder, booster), matrix.rows, logged, size, rewards, losses[-1])


def _sampled_rewards(dataset: Dataset, settings: TrainingSettings) -> tuple[bool, Moments]:
    """Whether to explore, and the moments of the rewards of the bootstrap sample.

    Of a handful of decisions a sample may have none: then all are taken.
    """
    moments = dataset.rewards
    if moments.count:
        return settings.explore, moments
    for block in dataset.blocks():
        moments = moments.added(block.reward)
    return False, moments


def _scale(rewards: Moments, settings: TrainingSettings) -> Scale:
    return Scale(rewards.mean, rewards.deviation, 0.0) if settings.normalize_rewards else Scale(0.0, 1.0, rewards.mean)


def _weights(block: Block, propensities: Floats, mean_item_count: float, *, explore: bool) -> Floats:
    """Bootstrap × inverse propensity, about 1 for a choice as likely as by chance; 0 for a row not in the sample."""
    weights = inverse_propensity_weights(propensities) / mean_item_count
    return weights * bootstrap_of(block.draws, explore=explore)


def _unused(dataset: Dataset, settings: TrainingSettings) -> float:
    return UNUSED if settings.is_gym and dataset.decisions >= _MIN_UNUSED_OF else 0.0


def _rows(block: Block, weights: Floats, scale: Scale, *, unused: float = 0.0) -> _Rows:
    places = np.flatnonzero((weights > 0) & (uniform(block.draws, Purpose.UNUSED) >= unused))
    target = (block.reward[places] - scale.mean) / scale.deviation
    alone = uniform(block.draws[places], Purpose.CONTEXT) < WITHOUT_CONTEXT
    context = np.where(alone, -1, block.context[places]).astype(np.int32)
    return _Rows(places, weights[places], target, context)


def _features(block: Block, rows: _Rows, bulk: BulkEncoder, noise: float | None) -> npt.NDArray[np.float32]:
    values = bulk.encode(block.keys, ((block.contexts, rows.context), (block.items, block.item[rows.places])))
    each = uniform(block.draws[rows.places], Purpose.NOISE) if noise is None else np.full(len(values), noise)
    return to_float32(sprinkle(values, each[:, None]))


def _fit(matrix: Matrix, dataset: Dataset, place: Workplace) -> tuple[xgb.Booster, list[float]]:
    settings = place.settings
    threads = threads_for(dataset.decisions, settings.threads)
    trees = Trees("reg:squarederror", settings.max_trees, settings.tree_depth, threads)
    return fit(
        matrix,
        trees,
        room=place.room,
        tell=lambda done: place.report("decision", done, settings.max_trees),
    )
