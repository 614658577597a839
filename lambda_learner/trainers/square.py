"""Ridge linear regression."""

from __future__ import annotations

from scipy import sparse

from lambda_learner.learn.losses import logistic
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.hessian_type import HessianType
from lambda_learner.trainers.model import IndexedModel
from lambda_learner.trainers.objective import ObjectiveTrainer, Optimizer

__all__ = ["TrainerSquareLossWithL2"]


class TrainerSquareLossWithL2(ObjectiveTrainer):
    """Fits a linear model anew; the initial model is only where the search begins.

        loss       ½ Σ wᵢ (mᵢ-yᵢ)² + λ/2 ‖θ‖²
        gradient   Σ wᵢ (mᵢ-yᵢ) xᵢ + λθ
        precision  Σ wᵢ pᵢ(1-pᵢ) xᵢxᵢᵀ,  pᵢ = σ(yᵢmᵢ) at the new θ   as the original has it, or
                   Σ wᵢ xᵢxᵢᵀ + λI                                  with exact_hessian=True

    mᵢ = xᵢᵀθ + offset, y is any number, λ the `penalty` (the intercept's too). The first precision is not that
    of this loss, but the original's own tests pin it; ask for the exact one (noise of variance 1) unless you
    compare. By default no precision is returned. The other arguments: `ObjectiveTrainer`. Source:
    lambda_learner.md §5 and §8, Q4.

    >>> import numpy as np
    >>> data = IndexedDataset(np.ones((2, 1)), np.array([3.0, 6.0]), np.array([1.0, 2.0]), np.zeros(2))
    >>> trainer = TrainerSquareLossWithL2(training_data=data, initial_model=IndexedModel(None), penalty=2.0,
    ...     hessian_type=HessianType.FULL, exact_hessian=True)
    >>> model, loss, info = trainer.train()
    >>> model.theta.round(4), model.hessian.toarray()
    (array([3.]), array([[5.]]))
    """

    def __init__(  # noqa: PLR0913 - the original's arguments and ours
        self,
        *,
        training_data: IndexedDataset,
        initial_model: IndexedModel,
        hessian_type: HessianType = HessianType.NONE,
        penalty: float = 0.0,
        exact_hessian: bool = False,
        optimizer: Optimizer = "lbfgs",
        weighted_precision: bool = True,
    ) -> None:
        super().__init__(
            kind="linear",
            training_data=training_data,
            initial_model=initial_model,
            hessian_type=hessian_type,
            penalty=penalty,
            optimizer=optimizer,
            weighted_precision=weighted_precision,
        )
        self.exact_hessian = exact_hessian

    def _update_full_hessian(self, theta: FloatArray) -> sparse.csc_matrix:
        if self.exact_hessian:
            return super()._update_full_hessian(theta)
        return self._information(logistic(self._margins(theta), self.training_data.y).curvature)
