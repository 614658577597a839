"""One entity's learning: a window of examples turns its state into the next one.

A deterministic function of the state and the window, whatever the order of the examples: they are learned in
order of decision_id. A window that is not newer than the state's fence is skipped: nothing is learned twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final, Literal

import numpy as np

from lambda_learner.learn.columns import Belief, Design, cells, design, grown, index_of, shrunk, unseen
from lambda_learner.learn.newton import update
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior, forget
from lambda_learner.learn.state import (
    INTERCEPT,
    CoefficientPrior,
    EntityState,
    Example,
    FeatureKey,
    LearnerSettings,
    LearnResult,
    Score,
)

__all__ = [
    "INTERCEPT",
    "CoefficientPrior",
    "EntityState",
    "Example",
    "FeatureKey",
    "LearnResult",
    "LearnerSettings",
    "Score",
    "learn",
]

MAX_DENSE: Final = 64  # coefficients; below, picking columns costs more than computing with zeros
Outcome = Literal["learned", "fenced", "non_finite"]


def learn(
    state: EntityState | None,
    examples: Iterable[Example],
    *,
    close_ms: int,
    generation: str,
    settings: LearnerSettings,
) -> LearnResult:
    """The state after the window that ends at `close_ms`, and how its examples scored before.

    Scores use the mean as it was published, before forgetting. A state of another generation counts for
    nothing. `fenced`: the state is unchanged and nothing is scored. `non_finite`: the window is passed over,
    the state is the forgotten prior with the new fence, and scores that are not finite are left out.
    """
    if state is not None and state.generation != generation:
        state = None
    if state is not None and close_ms <= state.fence_ms:
        return LearnResult(state, (), "fenced", 0)
    ordered = _in_order(examples)
    labels = _labels(ordered, settings)
    with np.errstate(all="ignore"):
        known = _belief(state, settings)
        delta = _kept_share(state, len(ordered), close_ms=close_ms, settings=settings)
        belief, margins, sound = _learned(known, ordered, labels, delta, settings=settings)
        before = len(belief.names)
        belief = shrunk(belief, settings.max_features)
    scores = tuple(map(_score, ordered, labels, margins.tolist()))
    count = (state.count if state else 0) + (len(ordered) if sound else 0)
    base_version = state.base_version if state else ""
    new = EntityState(generation, close_ms, belief.names, belief.posterior, count, base_version)
    outcome: Outcome = "learned" if sound else "non_finite"
    return LearnResult(new, scores if sound else _finite(scores), outcome, before - len(belief.names))


def _in_order(examples: Iterable[Example]) -> list[Example]:
    """The examples by decision_id; equal ids by everything else, so that no order of arrival shows."""
    ordered = sorted(examples, key=attrgetter("decision_id"))
    ids = [example.decision_id for example in ordered]
    if len(set(ids)) == len(ids):
        return ordered
    return sorted(ordered, key=lambda e: (e.decision_id, e.label, e.weight, e.offset, sorted(e.features.items())))


def _belief(state: EntityState | None, settings: LearnerSettings) -> Belief:
    """What is believed before the window: the state's posterior, or the prior of the intercept."""
    if state is not None:
        return Belief(state.names, state.posterior)
    prior = settings.prior.posterior(1)
    if settings.posterior == "full":
        prior = GaussianPosterior(prior.mean, np.diag(prior.precision))
    return Belief((INTERCEPT,), prior)


def _kept_share(state: EntityState | None, n: int, *, close_ms: int, settings: LearnerSettings) -> float:
    """The share of evidence that remains: δ, δⁿ for n records, or δ^(Δt/τ) since the last window."""
    if state is None or settings.forgetting == 1.0:
        return 1.0
    if settings.forgetting_per == "record":
        return float(settings.forgetting**n)
    if settings.forgetting_per == "time":
        return float(settings.forgetting ** ((close_ms - state.fence_ms) / settings.forgetting_tau_ms))
    return settings.forgetting


def _learned(
    known: Belief, examples: Sequence[Example], labels: list[float], delta: float, *, settings: LearnerSettings
) -> tuple[Belief, FloatArray, bool]:
    """The belief after the examples, their margins before, and whether it is sound (else: the prior)."""
    held, belief = cells(examples), known
    positions = list(map(index_of(known.names).get, held.keys))
    new = unseen(held, positions)
    if new:
        belief, index = grown(known, new, settings.prior)
        positions = list(map(index.get, held.keys))
    d = len(belief.names)
    table = design(held, positions, d, sparse=belief.posterior.is_diagonal and d > MAX_DENSE)
    offsets = np.array([example.offset for example in examples], dtype=np.float64)
    mean = belief.posterior.mean
    margins = table.matrix @ (mean if table.active is None else mean[table.active]) + offsets
    try:
        prior = _forgotten(belief, delta, settings)
        weights = np.array([example.weight for example in examples], dtype=np.float64)
        records = np.array(labels, dtype=np.float64), weights, offsets
        posterior = _updated(prior, table, records, settings=settings)
    except np.linalg.LinAlgError:
        posterior = None
    if posterior is None or not _is_finite(posterior):
        return Belief(known.names, _forgotten(known, delta, settings)), margins, False
    return Belief(belief.names, posterior), margins, True


def _forgotten(belief: Belief, delta: float, settings: LearnerSettings) -> GaussianPosterior:
    if delta == 1.0:
        return belief.posterior
    return forget(belief.posterior, delta, _prior_of(settings.prior, len(belief.names)))


@lru_cache(maxsize=64)  # entities of one model have few sizes at a time; an array is 8 bytes a coefficient
def _prior_of(prior: CoefficientPrior, d: int) -> GaussianPosterior:
    shared = prior.posterior(d)
    shared.mean.flags.writeable = shared.precision.flags.writeable = False
    return shared


def _updated(
    prior: GaussianPosterior,
    table: Design,
    records: tuple[FloatArray, FloatArray, FloatArray],
    *,
    settings: LearnerSettings,
) -> GaussianPosterior:
    """The posterior of all coefficients, those that no example touches as in the prior.

    `records` are the labels, weights and offsets.
    """
    touched = prior
    if table.active is not None:
        touched = GaussianPosterior(prior.mean[table.active], prior.precision[table.active])
    kind, noise_variance = settings.kind, settings.noise_variance
    result = update(table.matrix, *records, touched, kind=kind, noise_variance=noise_variance)
    if table.active is None:
        return result.posterior
    mean, precision = prior.mean.copy(), prior.precision.copy()
    mean[table.active], precision[table.active] = result.posterior.mean, result.posterior.precision
    return GaussianPosterior(mean, precision)


def _labels(examples: Sequence[Example], settings: LearnerSettings) -> list[float]:
    if settings.kind == "linear":
        return [example.label for example in examples]
    return [1.0 if example.label > 0.0 else -1.0 for example in examples]


def _is_finite(posterior: GaussianPosterior) -> bool:
    mean, precision = posterior.mean, posterior.precision
    if math.isfinite(np.vdot(mean, mean) + np.vdot(precision, precision)):  # half the time
        return True
    return bool(np.isfinite(mean).all() and np.isfinite(precision).all())  # squares overflow before numbers do


def _score(example: Example, label: float, margin: float) -> Score:
    return Score(example.decision_id, label, example.offset, margin)


def _finite(scores: tuple[Score, ...]) -> tuple[Score, ...]:
    return tuple(score for score in scores if np.isfinite(score[1:]).all())
