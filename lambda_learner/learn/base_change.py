"""What becomes of an entity's posterior when the base that its coefficients add to has changed (DESIGN §6).

    H ← ½H + ½Λ about its mean, with H the posterior's precision and Λ the prior's

What was learned over the old base is taken as half of the evidence over the new one: unlike forgetting, the mean stays.
From no base, or to none, nothing is carried over: coefficients that were learned alone already hold what the base says.

It is done when an entity is next looked at, by the version that it was last learned with; the learner and every reader
get the same. An entity that no window touched while a base was active skips that base: one change, however many there
were. What is known of the noise variance is kept with the mean, and goes with a reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lambda_learner.learn.posterior import GaussianPosterior
from lambda_learner.learn.state import CoefficientPrior, EntityState, FeatureKey

__all__ = ["KEPT_EVIDENCE", "NO_BASE", "posterior_under_base", "state_under_base"]

NO_BASE: Final = ""  # the version of the offset 0
KEPT_EVIDENCE: Final = 0.5


def posterior_under_base(
    posterior: GaussianPosterior,
    names: Sequence[FeatureKey],
    prior: CoefficientPrior,
    *,
    learned_with: str,
    active: str,
) -> GaussianPosterior | None:
    """The posterior as it counts under the active base, in its form; None if nothing of it does.

    `learned_with` and `active` are versions of bases, NO_BASE among them; equal ones give the posterior itself. `names`
    are those of its coefficients, in their order.
    """
    if learned_with == active:
        return posterior
    if NO_BASE in {learned_with, active}:
        return None
    renewed = np.array([prior.of(name)[1] for name in names], dtype=np.float64)
    if not posterior.is_diagonal:
        renewed = np.diag(renewed)
    precision = KEPT_EVIDENCE * posterior.precision + (1.0 - KEPT_EVIDENCE) * renewed
    return GaussianPosterior(posterior.mean, precision)


def state_under_base(state: EntityState | None, prior: CoefficientPrior, *, active: str) -> EntityState | None:
    """An entity's state as it counts under the active base, whose version it then has; None: it begins anew."""
    if state is None or state.base_version == active:
        return state
    posterior = posterior_under_base(
        state.posterior, state.names, prior, learned_with=state.base_version, active=active
    )
    return None if posterior is None else replace(state, posterior=posterior, base_version=active)
