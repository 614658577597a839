"""What every trainer is: data, an initial model, and the precision it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from lambda_learner.functions import sparse_diag_matrix
from lambda_learner.learn.posterior import FloatArray
from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.hessian_type import HessianType
from lambda_learner.trainers.model import IndexedModel

__all__ = ["Info", "Trainer"]

Info: TypeAlias = dict[str, Any]  # grad, task, funcalls, nit, warnflag, as of SciPy's fmin_l_bfgs_b


class Trainer(ABC):
    """Minimises a loss of theta over a data set; a subclass says which loss and how.

    What the initial model lacks is filled in on a copy: theta with zeros, the hessian with penalty · I.
    ValueError for a `hessian_type` that is no `HessianType`.
    """

    def __init__(
        self,
        *,
        training_data: IndexedDataset,
        initial_model: IndexedModel,
        hessian_type: HessianType,
        penalty: float = 0.0,
    ) -> None:
        if not isinstance(hessian_type, HessianType):
            message = f"hessian_type must be one of {[str(kind) for kind in HessianType]}, got {hessian_type!r}"
            raise ValueError(message)
        self.training_data = training_data
        self.initial_model = _filled(initial_model, training_data.num_features, penalty)
        self.hessian_type = hessian_type
        self.penalty = penalty

    @abstractmethod
    def train(self) -> tuple[IndexedModel, float, Info]:
        """The new model, the loss at its theta, and how the search went."""

    @abstractmethod
    def _loss(self, theta: FloatArray) -> float:
        """The loss at theta."""

    @abstractmethod
    def _gradient(self, theta: FloatArray) -> FloatArray:
        """The loss' derivatives at theta, shape (d,)."""

    @abstractmethod
    def _update_full_hessian(self, theta: FloatArray) -> sparse.csc_matrix:
        """The new precision at theta, a sparse matrix of shape (d, d)."""

    def _update_hessian(self, theta: FloatArray) -> sparse.csc_matrix | None:
        """The new precision at theta in the form asked for."""
        match self.hessian_type:
            case HessianType.FULL:
                return self._update_full_hessian(theta)
            case HessianType.DIAGONAL:
                return sparse_diag_matrix(self._update_full_hessian(theta).diagonal())
            case HessianType.IDENTITY:
                return sparse_diag_matrix(np.ones(len(theta)))
            case HessianType.NONE:
                return None


def _filled(model: IndexedModel, d: int, penalty: float) -> IndexedModel:
    """The model itself if nothing is missing, else a new one."""
    if model.theta is not None and model.hessian is not None:
        return model
    theta = np.zeros(d) if model.theta is None else model.theta
    return IndexedModel(theta, sparse_diag_matrix(np.full(d, penalty)) if model.hessian is None else model.hessian)
