"""How well scores foretell labels: exact metrics of arrays, and progressive ones from mergeable counters."""

from lambda_learner.evaluate.metrics import auc, log_loss, rmse
from lambda_learner.evaluate.progressive import increments, merged, progressive_from_counters

__all__ = ["auc", "increments", "log_loss", "merged", "progressive_from_counters", "rmse"]
