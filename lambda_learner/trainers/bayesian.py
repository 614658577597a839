"""The sequential Bayesian update of a logistic model: Lambda Learner's own."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse

from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.hessian_type import HessianType
from lambda_learner.trainers.matrices import is_symmetric
from lambda_learner.trainers.model import IndexedModel
from lambda_learner.trainers.objective import ObjectiveTrainer, Optimizer
from lambda_learner.trainers.quadratic import Quadratic

__all__ = ["TrainerSequentialBayesianLogisticLossWithL2"]


class TrainerSequentialBayesianLogisticLossWithL2(ObjectiveTrainer):
    """Updates a model N(θ₀, H₀⁻¹), the initial one, with a batch of records; δ forgets what was known before.

        loss       Σ wᵢ log(1 + exp(-yᵢmᵢ)) + (1-δ)λ/2 ‖θ‖² + δ/2 (θ-θ₀)ᵀH₀(θ-θ₀)
        gradient   -Σ wᵢ yᵢ σ(-yᵢmᵢ) xᵢ + (1-δ)λθ + δH₀(θ-θ₀)
        precision  Σ wᵢ pᵢ(1-pᵢ) xᵢxᵢᵀ + (1-δ)λI + δH₀,    pᵢ = σ(mᵢ) at the new θ

    mᵢ = xᵢᵀθ + offset, y is -1 or +1, λ the `penalty`, δ the `delta`, 0 to 1: 1 forgets nothing and 0 is a
    ridge fit to this batch alone. The minimum is the posterior's mode under the prior N(μ, A⁻¹) with
    A = δH₀ + (1-δ)λI and μ = A⁻¹δH₀θ₀; the result is its Laplace approximation, its full precision by default.
    The other arguments: `ObjectiveTrainer`. ValueError for an H₀ that is not symmetric, or a `delta` out of
    range. Source: lambda_learner.md §5.

    >>> data = IndexedDataset(np.ones((1, 1)), np.array([1]), np.ones(1), np.zeros(1))
    >>> prior = IndexedModel(np.array([0.5]), np.array([[2.0]]))
    >>> trainer = TrainerSequentialBayesianLogisticLossWithL2(training_data=data, initial_model=prior, delta=1.0)
    >>> model, loss, info = trainer.train()
    >>> model.theta.round(4), model.hessian.toarray().round(4)
    (array([0.6693]), array([[2.224]]))
    """

    def __init__(  # noqa: PLR0913 - the original's arguments and ours
        self,
        *,
        training_data: IndexedDataset,
        initial_model: IndexedModel,
        hessian_type: HessianType = HessianType.FULL,
        penalty: float = 0.0,
        delta: float = 0.8,
        optimizer: Optimizer = "lbfgs",
        weighted_precision: bool = True,
    ) -> None:
        if not 0.0 <= delta <= 1.0:
            message = f"delta must be 0 to 1, got {delta}"
            raise ValueError(message)
        super().__init__(
            kind="logistic",
            training_data=training_data,
            initial_model=initial_model,
            hessian_type=hessian_type,
            penalty=penalty,
            optimizer=optimizer,
            weighted_precision=weighted_precision,
        )
        self.delta = delta
        if not is_symmetric(self.initial_model.hessian):
            message = "the initial model's hessian must be symmetric: try (H + H.T) / 2"
            raise ValueError(message)

    @cached_property
    def quadratic(self) -> Quadratic:
        """The part of the loss without data: (1-δ)λ/2 ‖θ‖² + δ/2 (θ-θ₀)ᵀH₀(θ-θ₀)."""
        mean = np.asarray(self.initial_model.theta, dtype=np.float64)
        kept = self.delta * sparse.csc_matrix(self.initial_model.hessian, dtype=np.float64)
        return Quadratic((1.0 - self.delta) * self.penalty, mean, kept)
