"""Learn-time quality as integer counters: sums, so any order, split or restart gives the same totals.

Each example was scored before it was learned, once by its offset alone (`base`) and once with its entity's
coefficients (`entity`). Logistic: a histogram of scores a class, for the AUC, and the log loss in micro-nats.
Linear: the squared error in millionths of the label's squared unit. Totals fit 64 bits for 9 million of the
worst examples of logistic and 9,000 of linear; those clamped are counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from lambda_learner.learn.losses import Kind, scalar_log1p_exp, scalar_sigmoid
from lambda_learner.learn.state import Score

__all__ = ["BINS", "PREFIX", "auc_from_bins", "bin_of", "increments", "merged", "progressive_from_counters"]

PREFIX: Final = "progressive."
BINS: Final = 1024
# Bins are equal steps of σ(margin / 4): 0.016 wide in log-odds at 0, 0.06 at ±10. Steps of σ(margin) would
# put all scores of a 0.3 % click rate into five bins.
BIN_SCALE: Final = 0.25
MICRO: Final = 1_000_000
MAX_LOG_LOSS: Final = 1e6  # nats
MAX_SQUARED_ERROR: Final = 1e9  # an error of 31,623


def bin_of(score: float) -> int:
    """The histogram bin of a margin, 0 to BINS - 1, rising with it."""
    return min(int(BINS * scalar_sigmoid(BIN_SCALE * score)), BINS - 1)


def increments(score: Score, kind: Kind) -> list[tuple[str, int]]:
    """The counters that one scored example raises, and by how much; not finite: `unscored` alone."""
    if not (math.isfinite(score.label) and math.isfinite(score.base) and math.isfinite(score.score)):
        return [(PREFIX + "unscored", 1)]
    raised = [(PREFIX + "count", 1)]
    for scorer, value in (("base", score.base), ("entity", score.score)):
        if kind == "logistic":
            sign = "positive" if score.label > 0.0 else "negative"
            raised.append((f"{PREFIX}{scorer}.{sign}.{bin_of(value):04d}", 1))
            loss, limit, name = scalar_log1p_exp(-score.label * value), MAX_LOG_LOSS, "log_loss_micro"
        else:
            error = value - score.label
            loss, limit, name = error * error, MAX_SQUARED_ERROR, "squared_error_micro"
        raised.append((f"{PREFIX}{scorer}.{name}", round(MICRO * min(loss, limit))))
        if loss > limit:
            raised.append((f"{PREFIX}{scorer}.clamped", 1))
    return raised


def merged(*counters: Mapping[str, int]) -> dict[str, int]:
    """The sums of counters of the same name."""
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return dict(total)


def progressive_from_counters(counters: Mapping[str, int]) -> dict[str, int | float | None]:
    """The metrics of summed counters; counters of other names may be among them.

    `count`, and for logistic `auc`, `log_loss`, `auc_base`, `log_loss_base`, for linear `rmse`, `rmse_base`:
    plain for base and entity together, `_base` for the base alone. An AUC with a class missing is None.
    """
    count = counters.get(PREFIX + "count", 0)
    metrics: dict[str, int | float | None] = {"count": count}
    if count == 0:
        return metrics
    for scorer, suffix in (("entity", ""), ("base", "_base")):
        log_loss = counters.get(f"{PREFIX}{scorer}.log_loss_micro")
        squared_error = counters.get(f"{PREFIX}{scorer}.squared_error_micro")
        if log_loss is not None:
            bins = (_bins(counters, scorer, sign) for sign in ("positive", "negative"))
            metrics["auc" + suffix] = auc_from_bins(*bins)
            metrics["log_loss" + suffix] = log_loss / MICRO / count
        if squared_error is not None:
            metrics["rmse" + suffix] = math.sqrt(squared_error / MICRO / count)
    return metrics


def auc_from_bins(positive: Sequence[int], negative: Sequence[int]) -> float | None:
    """The AUC of two histograms over the same bins, a shared bin being a tie; None without a class."""
    positives, negatives = sum(positive), sum(negative)
    if positives == 0 or negatives == 0:
        return None
    below = doubled = 0  # doubled: twice the number of ordered pairs, an integer
    for here_positive, here_negative in zip(positive, negative, strict=True):
        doubled += here_positive * (2 * below + here_negative)
        below += here_negative
    return doubled / (2 * positives * negatives)


def _bins(counters: Mapping[str, int], scorer: str, sign: str) -> list[int]:
    return [counters.get(f"{PREFIX}{scorer}.{sign}.{i:04d}", 0) for i in range(BINS)]
