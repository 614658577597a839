"""Ridge logistic regression."""

from __future__ import annotations

from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.hessian_type import HessianType
from lambda_learner.trainers.model import IndexedModel
from lambda_learner.trainers.objective import ObjectiveTrainer, Optimizer

__all__ = ["TrainerLogisticLossWithL2"]


class TrainerLogisticLossWithL2(ObjectiveTrainer):
    """Fits a logistic model anew; the initial model is only where the search begins.

        loss       Σ wᵢ log(1 + exp(-yᵢmᵢ)) + λ/2 ‖θ‖²
        gradient   -Σ wᵢ yᵢ σ(-yᵢmᵢ) xᵢ + λθ
        precision  Σ wᵢ pᵢ(1-pᵢ) xᵢxᵢᵀ + λI,    pᵢ = σ(mᵢ) at the new θ

    mᵢ = xᵢᵀθ + offset, y is -1 or +1, λ the `penalty` (the intercept's too). By default no precision is
    returned. The other arguments: `ObjectiveTrainer`. Source: lambda_learner.md §5.

    >>> import numpy as np
    >>> data = IndexedDataset(np.ones((3, 1)), np.array([1, 1, -1]), np.ones(3), np.zeros(3))
    >>> trainer = TrainerLogisticLossWithL2(
    ...     training_data=data, initial_model=IndexedModel(None), hessian_type=HessianType.FULL, penalty=1.0)
    >>> model, loss, info = trainer.train()
    >>> model.theta.round(4), model.hessian.toarray().round(4), info["warnflag"]
    (array([0.2865]), array([[1.7348]]), 0)
    """

    def __init__(  # noqa: PLR0913 - the original's arguments and ours
        self,
        *,
        training_data: IndexedDataset,
        initial_model: IndexedModel,
        hessian_type: HessianType = HessianType.NONE,
        penalty: float = 0.0,
        optimizer: Optimizer = "lbfgs",
        weighted_precision: bool = True,
    ) -> None:
        super().__init__(
            kind="logistic",
            training_data=training_data,
            initial_model=initial_model,
            hessian_type=hessian_type,
            penalty=penalty,
            optimizer=optimizer,
            weighted_precision=weighted_precision,
        )
