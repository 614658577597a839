"""A learner's state as published coefficients, and back: what a warm start reads."""

from __future__ import annotations

import numpy as np

from lambda_learner.learn.posterior import GaussianPosterior
from lambda_learner.learn.state import INTERCEPT, EntityState, Names
from lambda_learner.publish.coefficients import EntityCoefficients

__all__ = ["from_state", "to_state"]


def from_state(entity: str, state: EntityState) -> EntityCoefficients:
    """Give what is published of an entity's state; its generation is in the file's key."""
    return EntityCoefficients(
        entity=entity,
        close_ms=state.fence_ms,
        count=state.count,
        names=state.names,
        mean=state.posterior.mean,
        precision=state.posterior.precision,
        base_version=state.base_version,
        noise=state.noise,
    )


def to_state(coefficients: EntityCoefficients, *, generation: str) -> EntityState:
    """Give the state that goes on from published coefficients: the intercept first, the others in order."""
    names = coefficients.names
    order = sorted(range(len(names)), key=lambda index: (names[index] != INTERCEPT, names[index]))
    matrix = np.ix_(order, order) if coefficients.is_full else order
    return EntityState(
        generation=generation,
        fence_ms=coefficients.close_ms,
        names=Names(names[index] for index in order),
        posterior=GaussianPosterior(coefficients.mean[order], np.ascontiguousarray(coefficients.precision[matrix])),
        count=coefficients.count,
        base_version=coefficients.base_version,
        noise=coefficients.noise,
    )
