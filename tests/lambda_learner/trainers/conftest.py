"""The golden cases of the original, and a maker of trainers for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from lambda_learner import (
    IndexedDataset,
    IndexedModel,
    TrainerLogisticLossWithL2,
    TrainerSequentialBayesianLogisticLossWithL2,
    TrainerSquareLossWithL2,
)
from lambda_learner.trainers.objective import ObjectiveTrainer

Case = dict[str, Any]
MakeTrainer = Callable[..., ObjectiveTrainer]

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/lambda_learner.json").read_text("utf-8"))
TRAINERS: dict[str, Callable[..., ObjectiveTrainer]] = {
    "logistic": TrainerLogisticLossWithL2,
    "bayesian": TrainerSequentialBayesianLogisticLossWithL2,
    "square": TrainerSquareLossWithL2,
}


@pytest.fixture(params=GOLDEN["cases"], ids=lambda case: case["name"])
def case(request: pytest.FixtureRequest) -> Case:
    """Each golden case of a trainer."""
    golden: Case = request.param
    return golden


@pytest.fixture
def make() -> MakeTrainer:
    """Makes the trainer of a golden case; keywords go to its constructor, `w` replaces the weights."""

    def trainer(case: Case, *, w: Any = None, **keywords: Any) -> ObjectiveTrainer:
        given = case["given"]
        hessian = given["hessian"] and sparse.csc_matrix(np.array(given["hessian"], dtype=float))
        weights = given["w"] if w is None else w
        data = IndexedDataset(sparse.csc_matrix(given["X"], dtype=float), given["y"], weights, given["offsets"])
        model = IndexedModel(np.array(given["theta"]), hessian)
        settings = {name: given[name] for name in ("penalty", "delta") if name in given}
        return TRAINERS[given["trainer"]](training_data=data, initial_model=model, **settings, **keywords)

    return trainer


@pytest.fixture
def original(make: MakeTrainer) -> MakeTrainer:
    """Makes the trainer that does as the original: no weights in the precision, none in the square loss."""

    def trainer(case: Case, **keywords: Any) -> ObjectiveTrainer:
        unweighted = np.ones(len(case["given"]["w"])) if case["given"]["trainer"] == "square" else None
        return make(case, w=unweighted, weighted_precision=False, **keywords)

    return trainer
