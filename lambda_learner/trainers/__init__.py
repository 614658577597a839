"""Lambda Learner's trainers under their own names: data and model as matrices, three losses, and scores."""

from lambda_learner.trainers.bayesian import TrainerSequentialBayesianLogisticLossWithL2
from lambda_learner.trainers.dataset import IndexedDataset
from lambda_learner.trainers.hessian_type import HessianType
from lambda_learner.trainers.lbfgs import TrainerLBGFS
from lambda_learner.trainers.logistic import TrainerLogisticLossWithL2
from lambda_learner.trainers.memo import KEY, VALUE, with_previous_theta_transform_memoized
from lambda_learner.trainers.model import IndexedModel
from lambda_learner.trainers.score import score_linear_model
from lambda_learner.trainers.square import TrainerSquareLossWithL2
from lambda_learner.trainers.trainer import Trainer

__all__ = [
    "KEY",
    "VALUE",
    "HessianType",
    "IndexedDataset",
    "IndexedModel",
    "Trainer",
    "TrainerLBGFS",
    "TrainerLogisticLossWithL2",
    "TrainerSequentialBayesianLogisticLossWithL2",
    "TrainerSquareLossWithL2",
    "score_linear_model",
    "with_previous_theta_transform_memoized",
]
