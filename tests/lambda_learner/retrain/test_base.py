"""A base: what it is trained on and not, and that its offset is in the learner's unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from lambda_learner.learn.calibrate import constant_base
from lambda_learner.retrain import NoDecisions, TrainingSettings
from lambda_learner.retrain.base import NothingToCalibrate, TrainedBase, base_settings, train_base
from lambda_learner.retrain.decision import DecisionModel
from tests.harness.archived_rows import START_S, plain_rows, row, table
from tests.harness.training import NOW

ROWS = plain_rows(900)
Rows = list[dict[str, Any]]


def base_of(older: Rows, newer: Rows, **changes: Any) -> TrainedBase:
    given: dict[str, Any] = {"version": "b1", "kind": "logistic", "entity_paths": ("context.user",)} | changes
    settings = TrainingSettings(**{"max_trees": 15, **given.pop("settings", {})})
    return train_base([table(older)], [table(newer)], settings, model="songs", now=NOW, **given)


def test_the_same_request_gives_the_same_base_and_another_one_other_seeds() -> None:
    one, again, other = (base_of(ROWS[:600], ROWS[600:], version=version) for version in ("r1", "r1", "r2"))
    assert (one.model_file, one.calibration) == (again.model_file, again.calibration)
    assert one.model_file != other.model_file


def test_it_explores_by_nothing_whatever_the_decision_model_does() -> None:
    settings = base_settings(TrainingSettings(explore=True), kind="logistic", entity_paths=())
    assert (settings.explore, settings.noise, settings.binary_rewards) == (False, 0.5, True)
    assert not base_settings(TrainingSettings(binary_rewards=True), kind="linear", entity_paths=()).binary_rewards
    left_out = base_settings(TrainingSettings(exclude_paths=("item.id",)), kind="linear", entity_paths=("context.u",))
    assert left_out.exclude_paths == ("item.id", "context.u")
    trained = base_of(ROWS[:600], ROWS[600:], settings={"explore": True}).trained
    assert trained is not None
    assert (trained.metrics.rows, trained.metrics.decisions) == (600, 600)


@pytest.mark.parametrize(("path", "key"), [("context.user", "user"), (r"context.us\.er", "us.er")])
def test_what_tells_entities_apart_is_no_feature(path: str, key: str) -> None:
    def of_users(rows: Rows) -> Rows:
        return [
            row(
                number, {"genre": "rock"}, context={key: f"u{number % 5}", "hour": number % 24}, sample={"genre": "pop"}
            )
            for number in range(len(rows))
        ]

    rows = of_users(ROWS)
    trained = base_of(rows[:600], rows[600:], entity_paths=(path,)).trained
    assert trained is not None
    assert trained.decision.encoder.features == ("context.hour", "item.genre")


def test_a_logistic_base_gives_log_odds_of_decisions_that_it_has_not_seen() -> None:
    rows = plain_rows(6000, seed=3)
    base = base_of(rows[:3000], rows[3000:5000], settings={"max_trees": 30})
    model = DecisionModel.of_file(base.model_file)
    chances = {}
    for each in rows[5000:]:
        score = model.score([orjson.loads(each["item"])], orjson.loads(each["context"]), noise=0.5)[0]
        chances[each["decision_id"]] = 1 / (1 + np.exp(-base.calibration.intercept - base.calibration.slope * score))
    found, rewards = np.array(list(chances.values())), np.array([each["reward"] for each in rows[5000:]])
    assert found.mean() == pytest.approx(rewards.mean(), abs=0.03)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 1.0)):  # a straight line in f is no exact log-odds
        there = (found >= low) & (found < high)
        assert found[there].mean() == pytest.approx(rewards[there].mean(), abs=0.15)


def test_a_linear_base_gives_rewards() -> None:
    rows = [
        row(
            number,
            {"genre": "abc"[number % 3]},
            sample={"genre": "c"},
            rewards={row(number, 0)["decision_id"]: 3.0 * (number % 3)},
        )
        for number in range(1500)
    ]
    base = base_of(rows[:1000], rows[1000:], kind="linear", settings={"max_trees": 40, "binary_rewards": True})
    model = DecisionModel.of_file(base.model_file)
    scores = model.score([{"genre": genre} for genre in "abc"], noise=0.5)
    offsets = base.calibration.intercept + base.calibration.slope * scores.astype(float)
    np.testing.assert_allclose(offsets, [0.0, 3.0, 6.0], atol=0.1)


def test_no_decision_after_trained_through_was_seen_and_the_last_one_was() -> None:
    assert base_of(ROWS[:600], ROWS[600:]).trained_through_ms == (START_S + 899) * 1000
    assert base_of(ROWS[600:], ROWS[:600]).trained_through_ms == (START_S + 899) * 1000  # the sides exchanged


def test_decisions_without_features_give_the_constant_base() -> None:
    rows = [
        row(number, None, rewards={row(number, 0)["decision_id"]: 1.0} if number % 4 == 0 else {})
        for number in range(80)
    ]
    base = base_of(rows[:40], rows[40:])
    labels = np.array([1.0, 0.0, 0.0, 0.0] * 10)
    assert (base.model_file, base.trained) == (b"", None)
    assert base.calibration == constant_base(labels, "logistic")
    assert base.account()["is_constant"]


def test_rewards_that_are_all_equal_give_the_constant_base() -> None:
    rows = [row(number, {"genre": "ab"[number % 2]}, sample={"genre": "c"}) for number in range(200)]
    base = base_of(rows[:100], rows[100:], kind="linear")
    assert base.calibration == (0.0, 0.0)
    assert base.model_file == b""


def test_nothing_to_train_or_to_calibrate_on_is_an_error_that_says_so() -> None:
    with pytest.raises(NoDecisions, match="model 'songs' has no decision to train on"):
        base_of([], ROWS)
    with pytest.raises(NothingToCalibrate, match="model 'songs' has no newer decisions .* train it when more"):
        base_of(ROWS, [])


def test_one_decision_on_either_side_is_enough() -> None:
    base = base_of(ROWS[:1], ROWS[1:2])
    assert np.isfinite(base.calibration).all()
