"""Lambda Learner's metrics under their own names; scores come first, then targets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from lambda_learner.evaluation import metrics
from lambda_learner.evaluation.metrics import rmse

__all__ = ["METRICS_FUNCS", "auc", "evaluate", "rmse"]


def auc(y_scores: npt.ArrayLike, y_targets: npt.ArrayLike) -> float:
    """The area under the ROC curve; targets equal to 1 are the positives, so -1/1 and 0/1 both do.

    nan and a warning when only one class is there. ValueError for a score that is not finite: it has no rank.
    """
    scores, positive = np.asarray(y_scores, dtype=np.float64), np.asarray(y_targets) == 1
    if not np.isfinite(scores).all():
        message = f"scores must be finite to be ranked, got {scores[~np.isfinite(scores)][0]}"
        raise ValueError(message)
    if positive.all() or not positive.any():
        warnings.warn("auc is not defined: the targets have one class only", stacklevel=2)
    return metrics.auc(scores, positive)


METRICS_FUNCS: Final[dict[str, Callable[[npt.ArrayLike, npt.ArrayLike], float]]] = {"auc": auc, "rmse": rmse}


def evaluate(metric_list: Iterable[str], y_scores: npt.ArrayLike, y_targets: npt.ArrayLike) -> dict[str, float]:
    """The metrics of that name, out of "auc" and "rmse"; ValueError names those that are unknown.

    >>> evaluate(["auc", "rmse"], [0.5, -0.5, 1.0], [1, -1, -1])
    {'auc': 0.5, 'rmse': 1.224744871391589}
    """
    names = list(metric_list)
    unknown = [name for name in names if name not in METRICS_FUNCS]
    if unknown:
        message = f"metrics are {', '.join(METRICS_FUNCS)}, got {', '.join(unknown)}"
        raise ValueError(message)
    return {name: METRICS_FUNCS[name](y_scores, y_targets) for name in names}
