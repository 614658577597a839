"""Newton's method in the words of SciPy's `fmin_l_bfgs_b`."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lambda_learner.learn.losses import Kind
from lambda_learner.learn.newton import update
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior
from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.matrices import dense

__all__ = ["NewtonSearch", "search"]

CONVERGED, STOPPED, FAILED = 0, 1, 2  # warnflag
TASKS: Final = (
    "CONVERGENCE: NEWTON DECREMENT BELOW TOLERANCE",
    "STOP: NO FURTHER DECREASE BY A NEWTON STEP",
    "ABNORMAL: NUMBERS OUT OF RANGE",
)


class NewtonSearch(NamedTuple):
    """Where the search ended, after how many iterations, and its warnflag; at 2 theta is of no use."""

    theta: FloatArray
    iterations: int
    warnflag: int

    @property
    def task(self) -> str:
        """The warnflag in words."""
        return TASKS[self.warnflag]


def search(data: IndexedDataset, prior: GaussianPosterior, kind: Kind) -> NewtonSearch:
    """The minimum of the data's loss plus ½ (θ-μ)ᵀA(θ-μ), with μ, A the prior's; `data.X` is made dense."""
    try:
        with np.errstate(all="ignore"):  # what is out of range shows in theta
            result = update(dense(data.X), data.y, data.w, data.offsets, prior, kind=kind)
    except np.linalg.LinAlgError:
        return NewtonSearch(prior.mean, 0, FAILED)
    theta = result.posterior.mean
    if not np.isfinite(theta).all():
        return NewtonSearch(theta, result.iterations, FAILED)
    return NewtonSearch(theta, result.iterations, CONVERGED if result.converged else STOPPED)
