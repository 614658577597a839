"""What the gate's candidate is made of."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.retrain import judgement
from lambda_learner.retrain import DecisionModel, Trained
from lambda_learner.retrain.pipeline import train
from tests.harness.retraining import START_S, Shop

Spied = list[Trained]


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> Spied:
    """The candidates that are trained for the gate."""
    found: Spied = []

    def spy(*rows_and_settings: Any, **how: Any) -> Trained:
        found.append(train(*rows_and_settings, **how))
        return found[-1]

    monkeypatch.setattr(judgement, "train", spy)
    return found


def test_it_has_all_but_the_newest_slice_and_no_bootstrap(running_shop: Shop, candidates: Spied) -> None:
    result = running_shop.retrained("r1")
    (candidate,) = candidates
    assert candidate.metrics.decisions == candidate.metrics.rows == 5400
    assert candidate.metrics.last_decision_s == START_S + 5399
    assert result["gate"]["comparisons"][0]["rows"] == 600
    assert candidate.metadata["ai.improve.seed"] != _seed_of_latest(running_shop)


def _seed_of_latest(shop: Shop) -> int:
    latest = shop.latest()
    assert latest is not None
    return DecisionModel.of_file(latest).encoder.seed


def test_the_published_model_is_fitted_to_a_bootstrap_sample_of_all(running_shop: Shop, candidates: Spied) -> None:
    running_shop.training["gate"] = {"margin": 1}
    metrics = running_shop.retrained("r1")["metrics"]
    assert metrics["decisions"] == 6000
    assert metrics["rows"] == pytest.approx(6000 * 0.632, rel=0.05)


def test_none_is_trained_where_nothing_can_be_compared(shop: Shop, candidates: Spied) -> None:
    shop.archive(200)
    shop.retrained("first")
    shop.retrained("second")
    assert candidates == []


def test_none_comes_of_decisions_that_are_all_of_one_second(running_shop: Shop, candidates: Spied) -> None:
    running_shop.training |= {"gate": {"held_out_share": 0.5}, "hyperparameters": {"max_decision_records": 1}}
    assert running_shop.retrained("r1")["gate"]["outcome"] == "undecided"
    assert candidates == []
