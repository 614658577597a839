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

__all__ = [
    "BINS",
    "PREFIX",
    "auc_from_bins",
    "bin_of",
    "increments",
    "increments_of",
    "merged",
    "progressive_from_counters",
]

PREFIX: Final = "progressive."
BINS: Final = 1024
# Bins are equal steps of σ(margin / 4): 0.016 wide in log-odds at 0, 0.06 at ±10. Steps of σ(margin) would
# put all scores of a 0.3 % click rate into five bins.
BIN_SCALE: Final = 0.25
MICRO: Final = 1_000_000
MAX_LOG_LOSS: Final = 1e6  # nats
MAX_SQUARED_ERROR: Final = 1e9  # an error of 31,623

# Every counter's name, as putting one together takes as long as the exponential that finds its bin.
_BIN_NAMES: Final = {
    scorer: tuple(tuple(f"{PREFIX}{scorer}.{sign}.{i:04d}" for i in range(BINS)) for sign in ("negative", "positive"))
    for scorer in ("base", "entity")
}
_Scored = Mapping[tuple[float, float], int]  # how many examples have a (label, score)


def bin_of(score: float) -> int:
    """The histogram bin of a margin, 0 to BINS - 1, rising with it."""
    position = int(BINS * scalar_sigmoid(BIN_SCALE * score))
    return position if position < BINS else BINS - 1


def increments(score: Score, kind: Kind) -> list[tuple[str, int]]:
    """The counters that one scored example raises, and by how much; not finite: `unscored` alone."""
    return list(increments_of((score,), kind).items())


def increments_of(scores: Sequence[Score], kind: Kind) -> dict[str, int]:
    """The sums of the `increments` of some scored examples, for half of what each by itself takes."""
    base: dict[tuple[float, float], int] = {}
    entity: dict[tuple[float, float], int] = {}
    finite = 0
    for _, label, offset, margin in scores:
        if math.isfinite(label) and math.isfinite(offset) and math.isfinite(margin):
            finite += 1
            # Many share a score, such as the 0 of a base that knows nothing; it is read once.
            base[label, offset] = base.get((label, offset), 0) + 1
            entity[label, margin] = entity.get((label, margin), 0) + 1
    raised: dict[str, int] = {}
    if finite:
        read = _read_logistic if kind == "logistic" else _read_linear
        raised[PREFIX + "count"] = finite
        read("base", base, raised)
        read("entity", entity, raised)
    if finite < len(scores):
        raised[PREFIX + "unscored"] = len(scores) - finite
    return raised


def _read_logistic(scorer: str, scored: _Scored, raised: dict[str, int]) -> None:
    names = _BIN_NAMES[scorer]
    total = clamped = 0
    for (label, margin), n in scored.items():
        name = names[label > 0.0][bin_of(margin)]
        raised[name] = raised.get(name, 0) + n
        loss = scalar_log1p_exp(-label * margin)
        if loss > MAX_LOG_LOSS:
            loss = MAX_LOG_LOSS
            clamped += n
        total += n * round(MICRO * loss)
    raised[f"{PREFIX}{scorer}.log_loss_micro"] = total
    if clamped:
        raised[f"{PREFIX}{scorer}.clamped"] = clamped


def _read_linear(scorer: str, scored: _Scored, raised: dict[str, int]) -> None:
    total = clamped = 0
    for (label, margin), n in scored.items():
        error = margin - label
        loss = error * error
        if loss > MAX_SQUARED_ERROR:
            loss = MAX_SQUARED_ERROR
            clamped += n
        total += n * round(MICRO * loss)
    raised[f"{PREFIX}{scorer}.squared_error_micro"] = total
    if clamped:
        raised[f"{PREFIX}{scorer}.clamped"] = clamped


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
