"""A training from archived rows to a model file: the rule of the `retrain` stage, pure but for temporary files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa
import xgboost as xgb

from lambda_learner import __version__
from lambda_learner.encoding import PathIds
from lambda_learner.publish.model_file import LINEAGE, to_model_file
from lambda_learner.retrain.boost import threads_for
from lambda_learner.retrain.dataset import Dataset
from lambda_learner.retrain.decision import DecisionModel, Fitted, train_decision
from lambda_learner.retrain.draws import Seeds
from lambda_learner.retrain.errors import NoDecisions, NoFeatures
from lambda_learner.retrain.progress import Report, silent
from lambda_learner.retrain.propensity import PropensityModel, train_propensity
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.workplace import Workplace

__all__ = ["Metrics", "Trained", "train"]

VERSION: Final = "8.0.0"  # of the clients' protocol


@dataclass(frozen=True, slots=True)
class Metrics:
    """How a training went.

    `rows` of the `decisions` are in the bootstrap sample and say as much as `effective_rows` of equal weight;
    `logged_propensities` of them were weighted by the propensity that they carry, the others by the modelled one.
    `loss` is the weighted RMSE of the target on those rows, in units of the target; times are unix seconds.
    """

    decisions: int
    set_aside: dict[str, int]
    first_decision_s: int
    last_decision_s: int
    mean_item_count: float
    mean_reward: float
    reward_deviation: float
    rows: int
    logged_propensities: int
    effective_rows: float
    features: int
    strings: int
    trees: int
    loss: float
    propensity_trees: int
    propensity_log_loss: float


class Trained(NamedTuple):
    """A model file, its metadata, how the training went, and both models."""

    model_file: bytes
    metadata: dict[str, Any]
    metrics: Metrics
    decision: DecisionModel
    propensity: PropensityModel


def train(  # noqa: PLR0913 - what a training is made of
    rows: Iterable[pa.Table],
    settings: TrainingSettings,
    *,
    model: str,
    request_id: str,
    now: datetime,
    report: Report = silent,
) -> Trained:
    """Train a model on the archive's rows, newest first if `max_decision_records` is to keep the newest.

    One row a decision: merge before. The tables are passed over once, and may be cut anyhow. The same rows in
    the same order, settings, request id, `now` and number of threads give the same bytes. Raises NoDecisions,
    NoFeatures or ForeignRows; OSError when there is no room for the temporary files.
    """
    place = Workplace(settings, Seeds.of(model, request_id), report)
    with place.spool(share=8) as spool:
        dataset = Dataset(spool, PathIds(settings.max_paths))
        dataset.read(rows, settings, draws=place.seeds.draws, hash_seeds=place.hash_seeds, report=report)
        if not dataset.decisions:
            raise NoDecisions(model, dataset.set_aside)
        propensity = train_propensity(dataset, place)
        if not any(not settings.excludes(feature) for feature in propensity.features):
            raise NoFeatures(model, dataset.decisions)
        fitted = train_decision(dataset, propensity, place)
        metrics = _metrics(dataset, propensity, fitted)
    lineage = _lineage(place, metrics, request_id)
    metadata = _metadata(fitted.model, model, now) | {LINEAGE: lineage}
    return Trained(to_model_file(fitted.model.booster, metadata), metadata, metrics, fitted.model, propensity)


def _metrics(dataset: Dataset, propensity: PropensityModel, fitted: Fitted) -> Metrics:
    encoder = fitted.model.encoder
    return Metrics(
        decisions=dataset.decisions,
        set_aside={reason: rows for reason, rows in sorted(dataset.set_aside.items()) if rows},
        first_decision_s=int(dataset.first_s),
        last_decision_s=int(dataset.last_s),
        mean_item_count=dataset.mean_item_count,
        mean_reward=fitted.rewards.mean,
        reward_deviation=fitted.rewards.deviation,
        rows=fitted.rows,
        logged_propensities=fitted.logged_propensities,
        effective_rows=fitted.effective_rows,
        features=len(encoder.features),
        strings=sum(len(table.entries) for table in encoder.tables.values()),
        trees=fitted.model.booster.num_boosted_rounds(),
        loss=fitted.loss,
        propensity_trees=propensity.booster.num_boosted_rounds(),
        propensity_log_loss=propensity.held_out_log_loss,
    )


def _metadata(decision: DecisionModel, model: str, now: datetime) -> dict[str, Any]:
    encoder = decision.encoder
    return {
        "ai.improve.model": model,
        "ai.improve.features": list(encoder.features),
        "ai.improve.string_tables": {name: list(table.entries) for name, table in encoder.tables.items()},
        "ai.improve.seed": encoder.seed,
        "ai.improve.created_at": now.astimezone(UTC).isoformat(),
        "ai.improve.version": VERSION,
    }


def _lineage(place: Workplace, metrics: Metrics, request_id: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "seeds": place.seeds._asdict() | {"draws": f"{place.seeds.draws:016x}"},  # 64 bits are too many for JavaScript
        "settings": _settings(place.settings),
        "metrics": asdict(metrics),
        "threads": threads_for(metrics.decisions, place.settings.threads),
        "code_version": __version__,
        "xgboost_version": xgb.__version__,
    }


def _settings(settings: TrainingSettings) -> dict[str, Any]:
    written = asdict(settings) | {"exclude_paths": list(settings.exclude_paths)}
    del written["spool_folder"]  # a path of this machine
    return written
