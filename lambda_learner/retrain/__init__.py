"""Retraining: from archived decisions and rewards to the decision model that the clients load (DESIGN §6).

    rows ── blocks ── propensity model ── weights ── string tables ── decision model ── model file

Sources: improve_protocol.md §6, §7 and §11. Needs the extra `train`. Each name is loaded when it is first asked
for: settings and errors are values, and who only reads those pays for no XGBoost.
"""

from typing import TYPE_CHECKING

from lambda_learner.lazy import lazy

if TYPE_CHECKING:
    from lambda_learner.retrain.dataset import Dataset
    from lambda_learner.retrain.decision import DecisionModel
    from lambda_learner.retrain.errors import ForeignRows, NoDecisions, NoFeatures, RetrainError
    from lambda_learner.retrain.held_out import HeldOut, held_out
    from lambda_learner.retrain.pipeline import Metrics, Trained, train
    from lambda_learner.retrain.progress import Report
    from lambda_learner.retrain.propensity import PropensityModel
    from lambda_learner.retrain.settings import TrainingSettings, parse_hyperparameters

__all__ = [
    "Dataset",
    "DecisionModel",
    "ForeignRows",
    "HeldOut",
    "Metrics",
    "NoDecisions",
    "NoFeatures",
    "PropensityModel",
    "Report",
    "RetrainError",
    "Trained",
    "TrainingSettings",
    "held_out",
    "parse_hyperparameters",
    "train",
]

_MODULES = ("errors", "settings", "progress", "dataset", "propensity", "decision", "held_out", "pipeline")

if not TYPE_CHECKING:  # a type checker would take it that any name is here
    __getattr__ = lazy(__name__, __all__, _MODULES)
