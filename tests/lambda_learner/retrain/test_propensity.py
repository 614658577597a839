"""The propensity model: what it estimates, what it is fitted to, and the original's choices on request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lambda_learner.retrain import propensity as module
from lambda_learner.retrain.boost import Matrix, Trees, fit
from lambda_learner.retrain.propensity import train_propensity
from tests.harness.archived_rows import NONE, row
from tests.harness.training import read


def choices(decisions: int, *, favourite: float, seed: int = 0) -> list[dict[str, Any]]:
    """Of four genres, the policy takes the first with that probability, else one of the others; tempo is noise."""
    rng, rows = np.random.default_rng(seed), []
    genres = ["a", "b", "c", "d"]
    for number in range(decisions):
        chosen = "a" if rng.random() < favourite else str(rng.choice(genres[1:]))
        sample = str(rng.choice([genre for genre in genres if genre != chosen]))
        rows.append(row(number, {"genre": chosen}, count=4, sample={"genre": sample}))
    return rows


@pytest.mark.parametrize("favourite", [0.25, 0.7])
def test_propensities_are_those_of_the_policy(favourite: float) -> None:
    dataset, place = read(choices(6000, favourite=favourite), max_features=100)
    model = train_propensity(dataset, place)
    (block,) = dataset.blocks()
    estimated = model.propensities(block, dataset.path_ids)
    is_favourite = block.item == block.item[np.argmax(estimated)] if favourite > 0.25 else np.full(6000, True)
    assert estimated[is_favourite].mean() == pytest.approx(favourite, rel=0.1)
    if favourite > 0.25:
        assert estimated[~is_favourite].mean() == pytest.approx((1 - favourite) / 3, rel=0.25)


class Fits:
    """Stands in for `fit` and keeps what it is given."""

    def __init__(self, losses: list[float] | None = None) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self._losses = losses

    def __call__(self, fitted: Matrix, trees: Trees, *, held_out: Matrix | None, **_: Any) -> tuple[Any, list[float]]:
        self.rows = [
            tuple(np.concatenate(column) for column in zip(*matrix.pages, strict=True))
            for matrix in (fitted, held_out)
            if matrix is not None
        ]
        raise Fitted


class Fitted(Exception):
    """The data were handed over; nothing is grown."""


def fitted_rows(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], **settings: Any) -> list[tuple[Any, ...]]:
    fits = Fits()
    monkeypatch.setattr(module, "fit", fits)
    with pytest.raises(Fitted):
        train_propensity(*read(rows, **settings))
    return fits.rows


def numbered(decisions: int) -> list[dict[str, Any]]:
    return [row(number, {"id": number}, count=3, sample={"id": number + 0.5}) for number in range(decisions)]


def test_a_decision_is_a_chosen_row_and_a_passed_over_one_of_the_others_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    (rows,) = fitted_rows(monkeypatch, [row(0, {"x": 1}, context={"y": 2}, count=9, sample={"x": 3})])
    features, target, weight = rows
    np.testing.assert_array_equal(features[:, :2], [[2, 1], [2, 3]])  # context.y, item.x, then t
    assert features[:, 2].tolist() == [np.float32(1_700_000_000)] * 2
    assert target.tolist() == [1, 0]
    assert weight.tolist() == [1, 8]


def test_both_rows_of_a_decision_are_on_one_side_of_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted, held_out = fitted_rows(monkeypatch, numbered(1000))
    ids = [set(np.floor(side[0][:, 0]).tolist()) for side in (fitted, held_out)]
    assert not ids[0] & ids[1]
    assert len(ids[1]) == pytest.approx(300, abs=60)
    assert len(fitted[0]) + len(held_out[0]) == 2000


def test_the_original_splits_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted, held_out = fitted_rows(monkeypatch, numbered(1000), compatible="gym")
    ids = [set(np.floor(side[0][:, 0]).tolist()) for side in (fitted, held_out)]
    assert len(ids[0] & ids[1]) > 300


@pytest.mark.parametrize(("compatible", "passed_over"), [("no", 0), ("gym", 1)])
def test_a_missing_sample_was_passed_over_only_in_the_original(
    monkeypatch: pytest.MonkeyPatch, compatible: str, passed_over: int
) -> None:
    (rows,) = fitted_rows(monkeypatch, [row(0, {"x": 1}, count=5, sample=NONE)], compatible=compatible)
    assert rows[1].tolist() == [1.0, 0.0][: 1 + passed_over]
    assert rows[2].tolist() == [1.0, 4.0][: 1 + passed_over]


def test_a_null_sample_was_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    (rows,) = fitted_rows(monkeypatch, [row(0, {"x": 1}, count=5, sample=None)])
    assert rows[1].tolist() == [1, 0]
    assert np.isnan(rows[0][1, 0])


def test_a_single_candidate_passes_nothing_over(monkeypatch: pytest.MonkeyPatch) -> None:
    (rows,) = fitted_rows(monkeypatch, [row(0, {"x": 1}, count=1)])
    assert rows[1].tolist() == [1]


def test_the_features_with_the_most_weight_of_rows_are_kept_in_order_of_name() -> None:
    # The sample's row weighs count - 1: rare, in a few samples, outweighs common, in all chosen items.
    rows = [row(number, {"common": 1, "Z": 1}, count=2, sample={"Z": 1}) for number in range(30)]
    rows += [row(100 + number, {"Z": 1}, count=50, sample={"rare": 1, "Z": 2}) for number in range(3)]
    dataset, place = read(rows, max_features=3)
    assert train_propensity(dataset, place).encoder.features == ("item.Z", "item.rare", "t")


@pytest.mark.parametrize("compatible", ["no", "gym"])
def test_the_trees_after_the_best_are_dropped_and_the_original_keeps_them(
    monkeypatch: pytest.MonkeyPatch, compatible: str
) -> None:
    losses: list[float] = []

    def noted(*arguments: Any, **options: Any) -> Any:
        booster, of_rounds = fit(*arguments, **options)
        losses.extend(of_rounds)
        return booster, of_rounds

    monkeypatch.setattr(module, "fit", noted)
    model = train_propensity(*read(choices(1500, favourite=0.5), compatible=compatible))
    best = losses.index(min(losses)) + 1
    assert len(losses) == best + 20
    assert model.booster.num_boosted_rounds() == (best if compatible == "no" else best + 20)
    assert model.held_out_log_loss == min(losses)


@pytest.mark.parametrize("decisions", [1, 2, 3])
def test_a_handful_of_decisions_trains(decisions: int) -> None:
    dataset, place = read(numbered(decisions))
    model = train_propensity(dataset, place)
    (block,) = dataset.blocks()
    assert ((model.propensities(block, dataset.path_ids) > 0) & (model.propensities(block, dataset.path_ids) < 1)).all()
