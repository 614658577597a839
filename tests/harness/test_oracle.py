from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.settings import Learner, Model, Reward, Settings
from lambda_learner.evaluation.metrics import auc
from lambda_learner.simulate import synthetic
from lambda_learner.simulate.lines import Line, decision_line, render, reward_line
from lambda_learner.simulate.traffic import Traffic
from lambda_learner.simulate.truth import Truth
from tests.harness.oracle import Oracle, replay

T = 1_704_067_200_000
NOISY: dict[str, Any] = {
    "duplicates": 0.05,
    "orphans": 0.03,
    "bad": 0.05,
    "clock_ahead": 0.05,
    "after_deadline": 0.02,
    "records": 0.1,
}


def settings(window: str = "10 minutes", **learner: Any) -> Settings:
    model = Model(reward=Reward(window=window), learner=Learner(entity=("context.user_id",), **learner))
    return Settings(models={"model-0": model, "movies": model, "m": model})


def replay_of(lines: list[Line], folder: Path, of: Settings) -> Oracle:
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(render(line, stamped=True) for line in lines))
    return replay([path], of)


def noisy_lines(decisions: int = 3000) -> tuple[list[Line], dict[str, Any]]:
    traffic = Traffic(decisions, T, entities=100, **NOISY)
    truth = Truth(traffic.rules)
    lines = list(truth.watch(synthetic.event_lines(traffic, np.random.default_rng(1))))
    return lines, truth.result()


def test_one_decision_moves_the_intercept_as_computed_by_hand(tmp_path: Path) -> None:
    rest = '"item":{},"count":1,"context":{"user_id":"u"}'
    decision = decision_line(T, 0, model="m", decision_id="2aKVLN61zI9CaKA3ffBjNOKrNmI", rest=rest)
    reward = reward_line(decision, T, 1, reward_id="2aKVLQCbooFB2i7qfXc6pZmGK9t", value=2.0)
    oracle = replay_of([decision, reward], tmp_path, settings(prior_precision=4))
    state = oracle.coefficients["m", '["u"]']
    (theta,) = state.posterior.mean
    chance = 1 / (1 + np.exp(-theta))
    assert 4 * theta == pytest.approx(1 - chance)  # prior's pull = likelihood's pull
    assert state.posterior.precision == pytest.approx([4 + chance * (1 - chance)])
    assert oracle.rewards == {"m": {decision.decision_id: 2.0}}
    assert oracle.scores == [(decision.decision_id, "m", '["u"]', 1.0, 0.0, 0.0, 0.0)]


def test_it_agrees_with_the_truth_on_every_counter_and_reward(tmp_path: Path) -> None:
    lines, truth = noisy_lines()
    oracle = replay_of(lines, tmp_path, settings())
    counters = {name: oracle.counters[name] for name in truth["counters"]}
    assert counters == truth["counters"]
    assert oracle.dead_letters == truth["dead_letters"]
    assert oracle.rewards == truth["rewards"]


def test_it_agrees_with_the_truth_minute_by_minute(tmp_path: Path) -> None:
    lines, truth = noisy_lines()
    oracle = replay_of([line for line in lines if line.kind != "bad"], tmp_path, settings())
    for minute, classes in truth["by_minute"].items():
        counts = oracle.by_minute[int(minute)]
        known = {name for name in classes if name not in ("lines", "dead_lettered")}
        assert {name: counts[name] for name in counts if name != "lines"} == {name: classes[name] for name in known}


def test_the_order_of_lines_and_their_files_do_not_matter(tmp_path: Path) -> None:
    lines, _ = noisy_lines(600)
    one = replay_of(lines, tmp_path, settings())
    random.Random(7).shuffle(lines)
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        texts = (render(line, stamped=True) for line in lines[part::3])
        (folder / f"{part}.jsonl").write_bytes(b"".join(texts))
    other = replay([folder], settings())
    assert other.scores == one.scores
    assert other.counters == one.counters
    for key, state in one.coefficients.items():
        assert np.array_equal(other.coefficients[key].posterior.mean, state.posterior.mean)


def test_learning_pays_on_synthetic_traffic(tmp_path: Path) -> None:
    traffic = Traffic(8000, T, entities=20)
    lines = list(synthetic.event_lines(traffic, np.random.default_rng(3)))
    scores = replay_of(lines, tmp_path, settings()).scores[4000:]
    assert auc([scored.score for scored in scores], [scored.label for scored in scores]) > 0.7
