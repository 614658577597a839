"""The Bayesian learning core: beliefs about coefficients, their update, an entity's state and its scores.

Each name is loaded when it is first asked for: settings and states are values, and who only reads those pays neither
for numba nor for SciPy.
"""

from typing import TYPE_CHECKING

from lambda_learner.lazy import lazy

if TYPE_CHECKING:
    from lambda_learner.learn.entity import learn
    from lambda_learner.learn.newton import NewtonResult, update
    from lambda_learner.learn.posterior import GaussianPosterior, forget
    from lambda_learner.learn.score import drawn_coefficients, margin, mean_coefficients
    from lambda_learner.learn.state import (
        INTERCEPT,
        CoefficientPrior,
        EntityState,
        Example,
        LearnerSettings,
        LearnResult,
        Names,
        Score,
    )
    from lambda_learner.learn.state_format import CorruptState, StateVersionError, from_bytes, to_bytes

__all__ = [
    "INTERCEPT",
    "CoefficientPrior",
    "CorruptState",
    "EntityState",
    "Example",
    "GaussianPosterior",
    "LearnResult",
    "LearnerSettings",
    "Names",
    "NewtonResult",
    "Score",
    "StateVersionError",
    "drawn_coefficients",
    "forget",
    "from_bytes",
    "learn",
    "margin",
    "mean_coefficients",
    "to_bytes",
    "update",
]

_MODULES = ("state", "posterior", "state_format", "score", "newton", "entity")

if not TYPE_CHECKING:  # a type checker would take it that any name is here
    __getattr__ = lazy(__name__, __all__, _MODULES)
