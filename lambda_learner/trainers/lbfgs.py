"""Training by L-BFGS: SciPy's `fmin_l_bfgs_b` with exact gradients, the path that the original takes."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

from lambda_learner.learn.posterior import FloatArray
from lambda_learner.trainers.model import IndexedModel
from lambda_learner.trainers.trainer import Info, Trainer

__all__ = ["TrainerLBGFS"]

FAILED: Final = 2  # the warnflag of a search that broke off; 0 is converged, 1 a limit reached

# What SciPy says since 1.15, and what it said before: programs and tests compare the older texts.
OLDER_TASKS: Final = {
    "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL": "CONVERGENCE: NORM_OF_PROJECTED_GRADIENT_<=_PGTOL",
    "CONVERGENCE: RELATIVE REDUCTION OF F <= FACTR*EPSMCH": "CONVERGENCE: REL_REDUCTION_OF_F_<=_FACTR*EPSMCH",
    "STOP: TOTAL NO. OF ITERATIONS REACHED LIMIT": "STOP: TOTAL NO. of ITERATIONS REACHED LIMIT",
    "STOP: TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT": "STOP: TOTAL NO. of f AND g EVALUATIONS EXCEEDS LIMIT",
    "ABNORMAL:": "ABNORMAL_TERMINATION_IN_LNSRCH",
}


class TrainerLBGFS(Trainer):
    """A trainer that searches from the initial theta by L-BFGS; abstract, and spelt as in the original."""

    def train(  # noqa: PLR0913, PLR0917 - the original's arguments
        self,
        max_iterations: int = 15_000,
        max_funcalls: int = 15_000,
        max_linesearch: int = 20,
        num_corrections: int = 10,
        precision: float = 1e7,
        gradient_tolerance: float = 1e-5,
    ) -> tuple[IndexedModel, float, Info]:
        """The new model, the loss at its theta, and SciPy's dict `grad`, `task`, `funcalls`, `nit`, `warnflag`.

        max_iterations, max_funcalls, max_linesearch: limits of iterations, of evaluations, and of steps in one
        line search. num_corrections: how many past steps shape the next. It ends when an iteration lowers the
        loss by less than `precision` machine epsilons of it, or no gradient exceeds `gradient_tolerance`.
        warnflag 0 is converged and 1 a limit reached; at 2 the search failed and the model is the initial one.
        `task` has the wording of SciPy before 1.15.
        """
        theta, loss, info = self._search(
            maxiter=max_iterations,
            maxfun=max_funcalls,
            maxls=max_linesearch,
            m=num_corrections,
            factr=precision,
            pgtol=gradient_tolerance,
        )
        if info["warnflag"] == FAILED:
            return self.initial_model, loss, info
        return IndexedModel(theta, self._update_hessian(theta)), loss, info

    def _search(self, **options: float) -> tuple[FloatArray, float, Info]:
        """Where the search ends, the loss there, and how it went; the options are those of `fmin_l_bfgs_b`."""
        start = np.asarray(self.initial_model.theta, dtype=np.float64)
        theta, loss, info = fmin_l_bfgs_b(self._loss, start, fprime=self._gradient, **options)
        return theta, float(loss), {**info, "task": _older_task(info["task"])}


def _older_task(task: str | bytes) -> str:
    text = (task.decode() if isinstance(task, bytes) else task).strip()
    return OLDER_TASKS.get(text, text)
