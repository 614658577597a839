"""Lambda Learner in pure Python, and the rules of the system built on it: no Flink, no settings, no network.

Every name of LinkedIn's library is here: change `from linkedin.learner… import X` to `from lambda_learner
import X` (docs/lambda_learner.md). Each is loaded when it is first asked for, so that a program that needs
one submodule pays for no other.
"""

from typing import TYPE_CHECKING

from lambda_learner.lazy import lazy

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lambda_learner.evaluation.compatible import METRICS_FUNCS, auc, evaluate, rmse
    from lambda_learner.features.conversion import (
        coefficient_dict_to_feature_list,
        feature_list_coefficient_dict,
        index_domain_coeffs_to_nt_domain_coeffs,
        nt_domain_coeffs_to_index_domain_coeffs,
        nt_domain_data_to_index_domain_data,
    )
    from lambda_learner.features.feature import Feature, Name, NameTerm, Term, Value
    from lambda_learner.features.index_map import INDEX_MAP_REPR_SEPARATOR, IndexMap
    from lambda_learner.features.record import TRAINING_RECORD_REPR_SEPARATOR, TrainingRecord
    from lambda_learner.functions import (
        CONTAINER_CLASS_REPR_SEPARATOR,
        PRIVATE_MEMBER_PREFIX,
        count_nans,
        current_time_in_ms,
        dedupe_preserve_order,
        flatten,
        get_public_attrs,
        represent_container_class,
        sparse_diag_matrix,
    )
    from lambda_learner.singleton import Singleton
    from lambda_learner.trainers import (
        KEY,
        VALUE,
        HessianType,
        IndexedDataset,
        IndexedModel,
        Trainer,
        TrainerLBGFS,
        TrainerLogisticLossWithL2,
        TrainerSequentialBayesianLogisticLossWithL2,
        TrainerSquareLossWithL2,
        score_linear_model,
        with_previous_theta_transform_memoized,
    )

__all__ = [
    "CONTAINER_CLASS_REPR_SEPARATOR",
    "INDEX_MAP_REPR_SEPARATOR",
    "KEY",
    "METRICS_FUNCS",
    "PRIVATE_MEMBER_PREFIX",
    "TRAINING_RECORD_REPR_SEPARATOR",
    "VALUE",
    "Feature",
    "HessianType",
    "IndexMap",
    "IndexedDataset",
    "IndexedModel",
    "Name",
    "NameTerm",
    "Singleton",
    "Term",
    "Trainer",
    "TrainerLBGFS",
    "TrainerLogisticLossWithL2",
    "TrainerSequentialBayesianLogisticLossWithL2",
    "TrainerSquareLossWithL2",
    "TrainingRecord",
    "Value",
    "auc",
    "coefficient_dict_to_feature_list",
    "count_nans",
    "current_time_in_ms",
    "dedupe_preserve_order",
    "evaluate",
    "feature_list_coefficient_dict",
    "flatten",
    "get_public_attrs",
    "index_domain_coeffs_to_nt_domain_coeffs",
    "nt_domain_coeffs_to_index_domain_coeffs",
    "nt_domain_data_to_index_domain_data",
    "represent_container_class",
    "rmse",
    "score_linear_model",
    "sparse_diag_matrix",
    "with_previous_theta_transform_memoized",
]

# Where the names are made, the quickest to load first.
_MODULES = (
    "features.feature",
    "features.record",
    "features.index_map",
    "functions",
    "singleton",
    "evaluation.compatible",
    "trainers",
    "features.conversion",
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a type checker would take it that any name is here
    __getattr__ = lazy(__name__, __all__, _MODULES)
