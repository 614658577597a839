"""Whether a model's loss has risen: the Page-Hinkley test over the progressive loss.

With xᵢ the loss of record i, x̄ and s its mean and standard deviation so far, the statistic is the cumulative sum

    g = max(0, g + (xᵢ - x̄)/s - α),  and the alarm is g > λ

which is mₜ - min m of Page (Continuous inspection schemes, Biometrika 41, 1954) and Hinkley (1971), as Gama et al. (A
survey on concept drift adaptation, 2014) have it for streams. In units of s, α and λ suit any loss: of independent
records about e^(2αλ)/(2α²) pass between two false alarms (Siegmund, Sequential Analysis, 1985), and a rise of c
standard deviations is found after λ/(c - α) records. A group of n records counts n times with its mean; s comes from
how the means of groups scatter, so records that are alike within a group don't look surer than they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Drift", "DriftSettings", "observe"]


class DriftSettings(NamedTuple):
    """α (`allowance`) and λ (`threshold`) in standard deviations, and how many records and groups to begin with.

    The mean is that of the last `memory` records or so: an old, high loss must not hide a new rise.
    """

    allowance: float = 0.05
    threshold: float = 100.0
    warm_up_records: int = 1_000
    warm_up_groups: int = 30
    memory_records: int = 50_000
    memory_groups: int = 1_000


class Drift(NamedTuple):
    """What is known of the loss since the beginning, or since the last alarm; `excess` is g."""

    records: int = 0
    groups: int = 0
    mean: float = 0.0
    variance: float = 0.0
    excess: float = 0.0


def observe(drift: Drift, records: int, loss_sum: float, settings: DriftSettings) -> tuple[Drift, bool]:
    """The statistic after a group of records, and whether it is an alarm, after which all begins anew.

    A group without records, or whose loss is not finite, changes nothing.
    """
    if records < 1 or not math.isfinite(loss_sum):
        return drift, False
    rise = loss_sum / records - drift.mean
    excess = drift.excess
    if _is_warm(drift, settings):
        excess = max(0.0, excess + records * (rise / math.sqrt(drift.variance) - settings.allowance))
    if excess > settings.threshold:
        return Drift(), True
    return _with_group(drift, records, rise, settings)._replace(excess=excess), False


def _is_warm(drift: Drift, settings: DriftSettings) -> bool:
    enough = drift.records >= settings.warm_up_records and drift.groups >= settings.warm_up_groups
    return enough and drift.variance > 0.0


def _with_group(drift: Drift, records: int, rise: float, settings: DriftSettings) -> Drift:
    """The mean and variance with one more group, whose own estimate of the variance is n·known/(known+n)·rise²."""
    known = min(drift.records, settings.memory_records)
    mean = drift.mean + rise * records / (known + records)
    if drift.groups == 0:
        return Drift(records, 1, mean)
    own = rise * rise * records * known / (known + records)
    variance = drift.variance + (own - drift.variance) / min(drift.groups, settings.memory_groups)
    return Drift(drift.records + records, drift.groups + 1, mean, variance)
