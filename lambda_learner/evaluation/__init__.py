"""How well scores foretell labels: exact metrics of arrays, and progressive ones from mergeable counters."""

from lambda_learner.evaluation.metrics import auc, log_loss, rmse
from lambda_learner.evaluation.progressive import increments, merged, progressive_from_counters

__all__ = ["auc", "increments", "log_loss", "merged", "progressive_from_counters", "rmse"]
