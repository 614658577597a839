"""The decision model: what it is fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lambda_learner.retrain import decision as module
from lambda_learner.retrain.boost import Matrix
from lambda_learner.retrain.decision import train_decision
from lambda_learner.retrain.propensity import train_propensity
from tests.harness.archived_rows import id_at, plain_rows, row
from tests.harness.training import read, trained


class Handed(Exception):
    """The data were handed over; nothing is grown."""


def fitted_rows(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], **settings: Any) -> tuple[Any, ...]:
    """Features, targets and weights that the trees would be grown on."""
    handed: list[tuple[Any, ...]] = []

    def fit(matrix: Matrix, *_: Any, **__: Any) -> None:
        handed.append(tuple(np.concatenate(column) for column in zip(*matrix.pages, strict=True)))
        raise Handed

    dataset, place = read(rows, **settings)
    propensity = train_propensity(dataset, place)
    monkeypatch.setattr(module, "fit", fit)
    with pytest.raises(Handed):
        train_decision(dataset, propensity, place)
    return handed[0]


def rewarded(decisions: int) -> list[dict[str, Any]]:
    return [
        row(number, {"n": number}, context={"h": 1}, count=1, rewards={id_at(number): float(number % 7)})
        for number in range(decisions)
    ]


def test_targets_have_mean_0_and_deviation_1(monkeypatch: pytest.MonkeyPatch) -> None:
    _, target, _ = fitted_rows(monkeypatch, rewarded(700), explore=False)
    assert target.mean() == pytest.approx(0, abs=1e-6)
    assert target.std(ddof=1) == pytest.approx(1, rel=1e-5)


def test_targets_are_the_rewards_when_not_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    _, target, _ = fitted_rows(monkeypatch, rewarded(700), explore=False, normalize_rewards=False)
    assert target.tolist() == [number % 7 for number in range(700)]


def test_every_decision_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _, _ = fitted_rows(monkeypatch, rewarded(700), explore=False)
    assert len(features) == 700


def test_the_original_leaves_30_percent_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _, _ = fitted_rows(monkeypatch, rewarded(2000), explore=False, compatible="gym")
    assert len(features) == pytest.approx(1400, abs=100)


def test_a_bootstrap_sample_has_63_percent_of_the_decisions_some_of_them_more_than_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, _, weight = fitted_rows(monkeypatch, rewarded(2000))
    assert len(features) == pytest.approx(2000 * (1 - 1 / np.e), abs=100)
    counts = weight / weight.min()  # one candidate each: all propensities are about 1
    assert np.abs(counts - counts.round()).max() < 0.2
    assert counts.sum() == pytest.approx(2000, rel=0.1)


def test_weights_are_inverse_propensities_over_the_mean_item_count(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = plain_rows(500)
    dataset, place = read(rows)
    (block,) = dataset.blocks()
    propensities = train_propensity(dataset, place).propensities(block, dataset.path_ids)
    _, _, weight = fitted_rows(monkeypatch, rows, explore=False)
    np.testing.assert_allclose(weight, 1 / propensities / 3, rtol=1e-6)


def test_the_context_is_dropped_from_one_row_in_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _, _ = fitted_rows(monkeypatch, rewarded(4000), explore=False)
    assert np.isnan(features[:, 0]).mean() == pytest.approx(0.05, abs=0.015)
    assert not np.isnan(features[:, 1]).any()


def test_each_row_has_one_noise_on_all_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(number, {"a": 1, "b": 1, "zero": 0}, count=1) for number in range(300)]
    features, _, _ = fitted_rows(monkeypatch, rows, explore=False)
    assert (features[:, 0] == features[:, 1]).all()
    noise = (features[:, 0].astype(np.float64) - 1) * 2**17
    assert len(np.unique(features[:, 0])) > 50  # 64 steps of float32 between 1 and 1 + 2⁻¹⁷
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert len(np.unique(features[:, 2])) > 50  # zeros differ by subnormal numbers


def test_a_given_noise_is_that_of_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(number, {"a": 1}, count=1) for number in range(50)]
    features, _, _ = fitted_rows(monkeypatch, rows, explore=False, noise=0.5)
    assert np.unique(features).tolist() == [np.float32(1 + 2.0**-18)]


def test_strings_have_entries_in_order_of_their_rewards() -> None:
    rewards = {"worst": 0.1, "good": 1.0, "best": 3.0, "poor": 0.5}
    rows = [
        row(number, genre, count=1, rewards={id_at(number): rewards[genre]})
        for number, genre in enumerate(list(rewards) * 50)
    ]
    encoder = trained(rows, explore=False).decision.encoder
    values = {genre: encoder.encode(genre)[0] for genre in rewards}
    assert sorted(values, key=values.__getitem__) == ["worst", "poor", "good", "best"]
    assert values["best"] == 1.0
    assert values["worst"] == -1.0


def in_order(rewards: dict[str, tuple[int, float]], **settings: Any) -> list[str]:
    """The genres by their value, best first, after so many decisions of such a reward each."""
    genres = [genre for genre, (decisions, _) in rewards.items() for _ in range(decisions)]
    rows = [row(n, genre, count=1, rewards={id_at(n): rewards[genre][1]}) for n, genre in enumerate(genres)]
    encoder = trained(rows, explore=False, max_trees=1, **settings).decision.encoder
    return sorted(rewards, key=lambda genre: -encoder.encode(genre)[0])


@pytest.mark.parametrize("normalize_rewards", [True, False])
def test_a_rare_string_is_drawn_to_the_mean_by_300_rows(*, normalize_rewards: bool) -> None:
    # The mean is 0.41; in rewards, rare scores (30 + 300·0.41)/330 = 0.46 and common (800 + 300·0.41)/1300 = 0.71.
    rewards = {"rare": (30, 1.0), "common": (1000, 0.8), "none": (1000, 0.0)}
    assert in_order(rewards, normalize_rewards=normalize_rewards) == ["common", "rare", "none"]


@pytest.mark.parametrize("normalize_rewards", [True, False])
def test_the_prior_is_the_mean_reward_and_not_zero(*, normalize_rewards: bool) -> None:
    # The mean is 0.31: rare scores (15 + 300·0.31)/330 = 0.33, common (300 + 300·0.31)/1300 = 0.30.
    rewards = {"rare": (30, 0.5), "common": (1000, 0.3)}
    assert in_order(rewards, normalize_rewards=normalize_rewards) == ["rare", "common"]


def test_the_model_learns_what_is_liked_when() -> None:
    model = trained(plain_rows(3000), max_trees=40).decision
    items = [{"genre": genre, "tempo": 0.5} for genre in ("pop", "jazz", "rock")]
    for hour, best in ((6, "rock"), (20, "jazz")):
        scores = model.score(items, {"hour": hour}, noise=0.5)
        assert items[int(np.argmax(scores))]["genre"] == best


def test_excluded_paths_are_no_features() -> None:
    assert "context.hour" in trained(plain_rows(200)).decision.encoder.features
    features = trained(plain_rows(200), exclude_paths=("context",)).decision.encoder.features
    assert features == ("item.genre", "item.tempo")
