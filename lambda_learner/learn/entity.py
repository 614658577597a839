"""One entity's learning: a window of examples turns its state into the next one.

A deterministic function of the state and the window, whatever the order of the examples: they are learned in
order of decision_id. A window that is not newer than the state's fence is skipped: nothing is learned twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from lambda_learner.learn.base_change import NO_BASE, state_under_base
from lambda_learner.learn.columns import Belief, cells, grown, records_of, shrunk, unseen
from lambda_learner.learn.many import Beliefs, Records, update_many
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior, forget
from lambda_learner.learn.state import (
    INTERCEPT,
    CoefficientPrior,
    EntityState,
    Example,
    FeatureKey,
    LearnerSettings,
    LearnResult,
    Names,
    Noise,
    Score,
)
from lambda_learner.learn.unknown_noise import BeliefWithNoise, forget_with_noise, learn_with_noise

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


def learn(  # noqa: PLR0913 - a state, a window, and what both are under
    state: EntityState | None,
    examples: Iterable[Example],
    *,
    close_ms: int,
    generation: str,
    settings: LearnerSettings,
    base_version: str = NO_BASE,
) -> LearnResult:
    """The state after the window that ends at `close_ms`, and how its examples scored before.

    Scores use the mean as it was published, before forgetting. `base_version` is that of the base active at the
    window's end: a state that was learned over another one is first carried over to it. A state of another generation
    counts for nothing. `fenced`: the state is unchanged and nothing is scored. `non_finite`: the window is passed over,
    the state is the forgotten prior with the new fence, and scores that are not finite are left out.
    """
    if state is not None and state.generation != generation:
        state = None
    if state is not None and close_ms <= state.fence_ms:
        return LearnResult(state, (), "fenced")
    state = state_under_base(state, settings.prior, active=base_version)
    ordered = _in_order(examples)
    labels = _labels(ordered, settings)
    delta = _kept_share(state, len(ordered), close_ms=close_ms, settings=settings)
    noise = state.noise if state is not None and settings.estimates_noise else Noise()
    learned = _learned(_belief(state, settings), noise, ordered, labels, delta, settings=settings)
    belief = shrunk(learned.belief, settings.max_features)
    scores = tuple(map(_score, ordered, labels, learned.margins.tolist()))
    count = (state.count if state else 0) + (len(ordered) if learned.sound else 0)
    new = EntityState(generation, close_ms, belief.names, belief.posterior, count, base_version, learned.noise)
    if not learned.sound:
        return LearnResult(new, _finite(scores), "non_finite", step=learned.step)
    dropped = len(learned.belief.names) - len(belief.names)
    return LearnResult(new, scores, "learned", dropped, learned.step)


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
    return Belief(Names([INTERCEPT]), prior)


def _kept_share(state: EntityState | None, n: int, *, close_ms: int, settings: LearnerSettings) -> float:
    """The share of evidence that remains: δ, δⁿ for n records, or δ^(Δt/τ) since the last window."""
    if state is None or settings.forgetting == 1.0:
        return 1.0
    if settings.forgetting_per == "record":
        return float(settings.forgetting**n)
    if settings.forgetting_per == "time":
        return float(settings.forgetting ** ((close_ms - state.fence_ms) / settings.forgetting_tau_ms))
    return settings.forgetting


class _Learned(NamedTuple):
    """The belief after some examples, their margins before, the mean's step; not sound: the forgotten prior."""

    belief: Belief
    noise: Noise
    margins: FloatArray
    step: float
    sound: bool


def _learned(  # noqa: PLR0913, PLR0917 - a belief and a window
    known: Belief,
    noise: Noise,
    examples: Sequence[Example],
    labels: list[float],
    delta: float,
    *,
    settings: LearnerSettings,
) -> _Learned:
    held, belief = cells(examples), known
    positions = list(map(known.names.index_by_key.get, held.keys))
    new = unseen(held, positions)
    if new:
        belief = grown(known, new, settings.prior)
        positions = list(map(belief.names.index_by_key.get, held.keys))
    records = records_of(held, positions, labels, examples)
    update = _with_estimate if settings.estimates_noise else _with_known_noise
    after, margins = update(records, BeliefWithNoise(belief.posterior, noise), delta, settings)
    if after is None:
        posterior, noise = _forgotten(BeliefWithNoise(known.posterior, noise), delta, settings)
        step = _length(posterior.mean - known.posterior.mean)
        return _Learned(Belief(known.names, posterior), noise, margins, step, sound=False)
    step = _length(after.posterior.mean - belief.posterior.mean)
    return _Learned(Belief(belief.names, after.posterior), after.noise, margins, step, sound=True)


def _with_known_noise(
    records: Records, before: BeliefWithNoise, delta: float, settings: LearnerSettings
) -> tuple[BeliefWithNoise | None, FloatArray]:
    """The belief after the records, None if it is not finite; and their margins before."""
    mean, precision = before.posterior.mean, before.posterior.precision
    updates = update_many(
        records,
        np.array((0, len(records.labels)), dtype=np.int64),
        Beliefs(np.array((0, len(mean)), dtype=np.int64), mean, precision.ravel()),
        kind=settings.kind,
        form=settings.posterior,
        kept=delta,
        prior=settings.prior,
        noise_variance=1.0 if isinstance(settings.noise_variance, str) else settings.noise_variance,
    )
    if not updates.sound[0]:
        return None, updates.margins
    after = GaussianPosterior(updates.beliefs.mean, updates.beliefs.precision.reshape(precision.shape))
    return BeliefWithNoise(after, before.noise), updates.margins


def _with_estimate(
    records: Records, before: BeliefWithNoise, delta: float, settings: LearnerSettings
) -> tuple[BeliefWithNoise | None, FloatArray]:
    return learn_with_noise(records, before, settings.prior, delta=delta)


def _forgotten(before: BeliefWithNoise, delta: float, settings: LearnerSettings) -> BeliefWithNoise:
    if settings.estimates_noise:
        return forget_with_noise(before, settings.prior, delta=delta)
    prior = settings.prior.posterior(len(before.posterior.mean))
    return BeliefWithNoise(forget(before.posterior, delta, prior), before.noise)


def _length(vector: FloatArray) -> float:
    with np.errstate(over="ignore"):  # a forged reward steps past any float
        return math.sqrt(vector @ vector)


def _labels(examples: Sequence[Example], settings: LearnerSettings) -> list[float]:
    if settings.kind == "linear":
        return [example.label for example in examples]
    return [1.0 if example.label > 0.0 else -1.0 for example in examples]


def _score(example: Example, label: float, margin: float) -> Score:
    return Score(example.decision_id, label, example.offset, margin)


def _finite(scores: tuple[Score, ...]) -> tuple[Score, ...]:
    return tuple(score for score in scores if np.isfinite(score[1:]).all())
