"""The metrics under the original's names."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_learner import METRICS_FUNCS, IndexedDataset, IndexedModel, auc, evaluate, rmse, score_linear_model

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/lambda_learner.json").read_text("utf-8"))


def test_the_golden_scores_and_metrics_are_met() -> None:
    given, expected = GOLDEN["scores"]["given"], GOLDEN["scores"]["expected"]
    data = IndexedDataset(np.array(given["X"]), given["y"], np.ones(5), given["offsets"])
    scores = score_linear_model(IndexedModel(np.array(given["theta"])), data)
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-12)
    metrics = evaluate(["auc", "rmse"], scores, given["y"])
    assert metrics == {"auc": expected["auc"], "rmse": pytest.approx(expected["rmse"], abs=1e-8)}


def test_scores_come_before_targets() -> None:
    assert evaluate(["auc"], [0.2, 0.9], [-1, 1]) == {"auc": 1.0}


def test_only_targets_equal_to_one_are_positive() -> None:
    assert auc([1.0, 2.0, 3.0], [1, 2, 0]) == auc([1.0, 2.0, 3.0], [1, -1, -1]) == 0.0


def test_one_class_only_is_nan_and_a_warning() -> None:
    with pytest.warns(UserWarning, match="one class only"):
        assert math.isnan(auc([0.1, 0.2], [1, 1]))


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_without_a_rank_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match=str(score)):
        auc([0.1, score], [1, -1])


def test_unknown_metrics_are_named() -> None:
    with pytest.raises(ValueError, match="got logloss, f1"):
        evaluate(["auc", "logloss", "f1"], [0.0], [1])


def test_the_metrics_are_listed_by_name() -> None:
    assert {"auc": auc, "rmse": rmse} == METRICS_FUNCS
