"""What the three losses share: a weighted sum of losses of margins, plus a quadratic.

    loss(θ) = Σ wᵢ ℓ(yᵢ, mᵢ) + quadratic(θ),    mᵢ = xᵢᵀθ + oᵢ

x, y, w and o are a record's features, label, weight and offset.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from scipy import sparse

from lambda_learner.learn.losses import LOSSES, Kind, Loss
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.trainers import newton
from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.hessian_type import HessianType
from lambda_learner.trainers.lbfgs import FAILED, TrainerLBGFS
from lambda_learner.trainers.memo import with_previous_theta_transform_memoized
from lambda_learner.trainers.model import IndexedModel
from lambda_learner.trainers.quadratic import Quadratic
from lambda_learner.trainers.trainer import Info

__all__ = ["ObjectiveTrainer", "Optimizer"]

Optimizer = Literal["lbfgs", "newton"]


class ObjectiveTrainer(TrainerLBGFS):
    """A trainer for the loss above; a subclass names ℓ by its `kind`, and its quadratic if that is not a ridge.

    optimizer: "lbfgs" takes the original's path. "newton" finds the exact optimum, from dense rows and in a few
    iterations; `train` then reads none of its arguments, and needs a positive definite quadratic.
    weighted_precision: False leaves the records' weights out of the new precision, as the original does.
    """

    def __init__(  # noqa: PLR0913 - the original's arguments and ours
        self,
        *,
        kind: Kind,
        training_data: IndexedDataset,
        initial_model: IndexedModel,
        hessian_type: HessianType,
        penalty: float,
        optimizer: Optimizer,
        weighted_precision: bool,
    ) -> None:
        if optimizer not in ("lbfgs", "newton"):
            message = f"optimizer must be 'lbfgs' or 'newton', got {optimizer!r}"
            raise ValueError(message)
        super().__init__(
            training_data=training_data, initial_model=initial_model, hessian_type=hessian_type, penalty=penalty
        )
        self.kind = kind
        self.optimizer = optimizer
        self.weighted_precision = weighted_precision

    @cached_property
    def quadratic(self) -> Quadratic:
        """The part of the loss without data: λ/2 ‖θ‖²."""
        d = self.training_data.num_features
        return Quadratic(self.penalty, np.zeros(d), sparse.csc_matrix((d, d)))

    def _loss(self, theta: FloatArray) -> float:
        return float(self.training_data.w @ self._losses(theta).value) + self.quadratic.loss(theta)

    def _gradient(self, theta: FloatArray) -> FloatArray:
        data = self.training_data
        pull: FloatArray = data.X.T @ (data.w * self._losses(theta).gradient)
        return pull + self.quadratic.gradient(theta)

    def _update_full_hessian(self, theta: FloatArray) -> sparse.csc_matrix:
        return self._information(self._losses(theta).curvature) + self.quadratic.curvature()

    def _information(self, curvature: FloatArray) -> sparse.csc_matrix:
        """Σ wᵢ ℓᵢ'' xᵢxᵢᵀ for the curvatures ℓ'' of the margins."""
        data = self.training_data
        weights = data.w * curvature if self.weighted_precision else curvature
        return sparse.csc_matrix(data.X.T @ (sparse.diags(weights) @ data.X))

    def _margins(self, theta: FloatArray) -> FloatArray:
        margins: FloatArray = self.training_data.X @ theta + self.training_data.offsets
        return margins

    @with_previous_theta_transform_memoized
    def _losses(self, theta: FloatArray) -> Loss:
        """ℓ and its derivatives in the margins; loss and gradient at one theta share it."""
        return LOSSES[self.kind](self._margins(theta), self.training_data.y)

    def _search(self, **options: float) -> tuple[FloatArray, float, Info]:
        return self._newton() if self.optimizer == "newton" else super()._search(**options)

    def _newton(self) -> tuple[FloatArray, float, Info]:
        """The search by Newton's method; one that fails stays at the initial theta."""
        found = newton.search(self.training_data, self.quadratic.gaussian(), self.kind)
        initial = np.asarray(self.initial_model.theta, dtype=np.float64)
        theta = initial if found.warnflag == FAILED else found.theta
        info = {
            "grad": self._gradient(theta),
            "task": found.task,
            "funcalls": found.iterations,
            "nit": found.iterations,
            "warnflag": found.warnflag,
        }
        return theta, self._loss(theta), info
