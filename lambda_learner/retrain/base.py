"""The base of the speed layer: the archive's model in the learner's own unit, and when it counts (DESIGN §6).

    older decisions ── train ── score f ──┐
    newer decisions ──────────────────────┴─ calibrate ── offset = a + b · f ── put the file ── activate

It is trained as the decision model is, without what explores: no bootstrap, one noise for all rows. What the entities
are told apart by is left out, for that is theirs to learn. The target is the learner's: whether there was a reward
(logistic) or the reward (linear).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lambda_learner.encoding import PathIds
from lambda_learner.features.paths import split_path
from lambda_learner.learn.calibrate import Calibration, calibrate
from lambda_learner.learn.losses import Kind
from lambda_learner.retrain.block import Floats
from lambda_learner.retrain.dataset import Dataset
from lambda_learner.retrain.decision import DecisionModel
from lambda_learner.retrain.errors import NoFeatures, RetrainError
from lambda_learner.retrain.offset_model import NOISE
from lambda_learner.retrain.pipeline import Trained, train
from lambda_learner.retrain.progress import Report, silent
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.spool import Spool

__all__ = ["NothingToCalibrate", "TrainedBase", "base_settings", "train_base"]

_MS = 1000
_NO_DRAWS = 0  # calibrating draws nothing


class NothingToCalibrate(RetrainError):
    """No decision is newer than those that the base was trained on."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"the base of model {model!r} has no newer decisions to be calibrated on: "
            "leave some out of its training, or train it when more are archived"
        )


class TrainedBase(NamedTuple):
    """A base that is ready to be put and activated.

    `model_file` is empty for the constant base, whose offset is the calibration's intercept. `trained` is the
    training's account, None where there was nothing to train on but rewards. Neither the training nor the
    calibration has seen a decision later than `trained_through_ms`.
    """

    model: str
    version: str
    kind: Kind
    model_file: bytes
    calibration: Calibration
    trained_through_ms: int
    calibrated_on: int
    trained: Trained | None

    def account(self) -> dict[str, Any]:
        """What a lineage says of it, as JSON has it."""
        calibration = {**self.calibration._asdict(), "decisions": self.calibrated_on}
        return {
            "version": self.version,
            "kind": self.kind,
            "is_constant": not self.model_file,
            "calibration": calibration,
            "trained_through_ms": self.trained_through_ms,
        }


class _Scored(NamedTuple):
    """Decisions with the model's score (0 without a model); arrays of one length."""

    scores: Floats
    rewards: Floats
    seconds: Floats


def base_settings(settings: TrainingSettings, *, kind: Kind, entity_paths: Sequence[str]) -> TrainingSettings:
    """The settings of a model's base, from those of its decision model; `entity_paths` are the configuration's."""
    of_entities = (".".join(split_path(path)) for path in entity_paths)  # the encoding escapes nothing
    return replace(
        settings,
        explore=False,
        noise=NOISE,
        binary_rewards=kind == "logistic",
        exclude_paths=(*settings.exclude_paths, *of_entities),
    )


def train_base(  # noqa: PLR0913 - a training, and what the learner wants of it
    older: Iterable[pa.Table],
    newer: Iterable[pa.Table],
    settings: TrainingSettings,
    *,
    model: str,
    version: str,
    kind: Kind,
    entity_paths: Sequence[str],
    now: datetime,
    report: Report = silent,
) -> TrainedBase:
    """Train a base on the older decisions and calibrate it on the newer ones; both are passed over once.

    One row a decision, each decision on one side only. `version` is 1–128 ASCII letters, digits, `_` and `-`, such as
    a request id: the random numbers come from it. Memory is bounded as that of `train` is. Decisions without any
    feature give the constant base. Raises NothingToCalibrate, and what `train` raises.
    """
    chosen = base_settings(settings, kind=kind, entity_paths=entity_paths)
    try:
        trained = train(older, chosen, model=model, request_id=version, now=now, report=report)
    except NoFeatures:
        trained = None
    scored = _scored(newer, chosen, None if trained is None else trained.decision)
    if not len(scored.rewards):
        raise NothingToCalibrate(model)
    calibration = calibrate(scored.scores, scored.rewards, kind)
    last_s = max(float(scored.seconds.max()), trained.metrics.last_decision_s if trained else 0)
    model_file = trained.model_file if trained is not None and calibration.slope else b""
    through_ms = int(last_s) * _MS
    return TrainedBase(model, version, kind, model_file, calibration, through_ms, len(scored.rewards), trained)


def _scored(rows: Iterable[pa.Table], settings: TrainingSettings, model: DecisionModel | None) -> _Scored:
    hash_seeds = (model.encoder.seed,) if model else ()
    parts = [_Scored(np.empty(0), np.empty(0), np.empty(0))]
    with Spool(settings.max_memory_bytes // 8, settings.spool_folder) as spool:
        columns = dict(model.encoder.column_of) if model else {}
        dataset = Dataset(spool, PathIds(len(columns), columns))  # no other path is looked at
        dataset.read(rows, settings, draws=_NO_DRAWS, hash_seeds=hash_seeds)
        for block in dataset.blocks():
            scores = model.predict(block, dataset.path_ids, noise=NOISE) if model else np.zeros(block.decisions)
            parts.append(_Scored(scores, block.reward, block.seconds))
    return _Scored(*map(np.concatenate, zip(*parts, strict=True)))
