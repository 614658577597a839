"""Held-out decisions are scored as the models score one at a time, whatever their seeds are."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from lambda_learner.retrain import DecisionModel, TrainingSettings
from lambda_learner.retrain.held_out import held_out
from tests.harness.archived_rows import START_S, plain_rows, row, table
from tests.harness.training import trained

ROWS = plain_rows(700)
NEWER = [*plain_rows(60, seed=5), row(60, {"genre": "rock"}, count=1)]
CANDIDATE = trained(ROWS, explore=False)
INCUMBENT = DecisionModel.of_file(trained(ROWS[:300], request_id="older").model_file)


def test_each_model_scores_items_and_samples_as_it_does_one_at_a_time() -> None:
    models = (CANDIDATE.decision, INCUMBENT)
    found = held_out([table(NEWER)], TrainingSettings(), CANDIDATE.propensity, models)
    assert found.scores.shape == found.sample_scores.shape == (2, 61)
    for place, (model, each) in enumerate((model, each) for model in models for each in NEWER[:60]):
        of_model, decision = divmod(place, 60)
        context = orjson.loads(each["context"])
        item, sample = orjson.loads(each["item"]), orjson.loads(each["sample"])
        expected = model.score([item, sample], context, noise=0.5)
        assert [found.scores[of_model, decision], found.sample_scores[of_model, decision]] == expected.tolist()


def test_rewards_and_propensities_come_with_them() -> None:
    found = held_out([table(NEWER)], TrainingSettings(), CANDIDATE.propensity, [INCUMBENT])
    assert found.rewards.tolist() == [each["reward"] for each in NEWER]
    assert found.seconds.tolist() == [START_S + number for number in range(61)]
    assert found.candidates.tolist() == [3] * 60 + [1]
    assert found.has_sample.tolist() == [True] * 60 + [False]
    assert found.propensities.mean() == pytest.approx(1 / 3, abs=0.1)
    assert found.sample_propensities[:60].mean() == pytest.approx(1 / 3, abs=0.1)
    assert np.isfinite(found.sample_propensities).all()


def test_no_rows_are_no_decisions() -> None:
    found = held_out([], TrainingSettings(), CANDIDATE.propensity, [INCUMBENT])
    assert found.scores.shape == (1, 0)
    assert len(found.rewards) == 0
