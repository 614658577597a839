"""What the gate is told: a candidate against the incumbent, on decisions that no model has seen.

Three comparisons, as far as the rows allow: the error over evenly drawn candidates, the value of the two-candidate
policy {item, sample}, and, of rows with `candidates` and `propensity`, the value of choosing among all candidates.
The first two go by modelled propensities, the third by those that were logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from jobs.retrain.incumbent import Incumbent, Scale, scale_of
from jobs.retrain.slates import Slated, slated
from lambda_learner.evaluation.influence import Comparison, Estimate, compare
from lambda_learner.evaluation.off_policy import (
    Pairs,
    doubly_robust_value,
    greedy_policy,
    pair_choice,
    two_candidate_value,
    weighted_error,
)
from lambda_learner.retrain.decision import DecisionModel
from lambda_learner.retrain.held_out import HeldOut, held_out
from lambda_learner.retrain.pipeline import Trained
from lambda_learner.retrain.propensity import PropensityModel
from lambda_learner.retrain.settings import TrainingSettings

__all__ = ["Contest", "comparisons"]


class Contest(NamedTuple):
    """A candidate fitted to the rows before the slice, with the propensity model of those rows, and the incumbent."""

    candidate: Trained
    settings: TrainingSettings
    incumbent: Incumbent

    @property
    def models(self) -> tuple[DecisionModel, DecisionModel]:
        """Candidate and incumbent."""
        return self.candidate.decision, self.incumbent.model

    @property
    def propensity(self) -> PropensityModel:
        """What the propensities are modelled by."""
        return self.candidate.propensity

    @property
    def scales(self) -> tuple[Scale, Scale]:
        """What their scores stand for; an incumbent whose scale is not known is taken to have the candidate's."""
        metrics, normalized = self.candidate.metrics, self.settings.normalize_rewards
        own = scale_of(metrics.mean_reward, metrics.reward_deviation, normalized=normalized)
        return own, self.incumbent.scale or own


def comparisons(rows: pa.Table, contest: Contest, *, least_slates: float) -> tuple[Comparison, ...]:
    """The comparisons on held-out rows; none without a usable row.

    Fewer than `least_slates` rows with all their candidates are not asked: they could but leave the gate undecided.
    """
    seen = held_out([rows], contest.settings, contest.propensity, contest.models)
    if not len(seen.rewards):
        return ()
    found = [_errors(seen, contest.scales)]
    if _has_choice(seen).any():
        found.append(_pair_values(seen))
    listed = slated(rows, contest.settings)
    if len(listed.slates.rewards) >= max(least_slates, 1):
        found.append(_slate_values(listed, contest))
    return tuple(compare(candidate, incumbent) for candidate, incumbent in found)


_Both = tuple[Estimate, Estimate]


def _errors(seen: HeldOut, scales: Sequence[Scale]) -> _Both:
    candidate, incumbent = (
        weighted_error(seen.rewards, scale.mean + scale.deviation * scores, seen.propensities)
        for scores, scale in zip(seen.scores, scales, strict=True)
    )
    return candidate, incumbent


def _pair_values(seen: HeldOut) -> _Both:
    there = _has_choice(seen)
    pairs = Pairs(seen.rewards[there], seen.propensities[there], seen.sample_propensities[there])
    candidate, incumbent = (
        two_candidate_value(pairs, pair_choice(items[there], samples[there]))
        for items, samples in zip(seen.scores, seen.sample_scores, strict=True)
    )
    return candidate, incumbent


def _slate_values(listed: Slated, contest: Contest) -> _Both:
    """Both values by the candidate's predictions, which have not seen the rows; any others would do without bias."""
    scores = held_out([listed.rows], contest.settings, contest.propensity, contest.models).scores
    scale, _ = contest.scales
    predictions = scale.mean + scale.deviation * scores[0]
    candidate, incumbent = (
        doubly_robust_value(listed.slates, greedy_policy(of_model, listed.slates.firsts), predictions)
        for of_model in scores
    )
    return candidate, incumbent


def _has_choice(seen: HeldOut) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return seen.has_sample & (seen.candidates > 1)
