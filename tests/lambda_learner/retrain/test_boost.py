"""Trees over pages: from memory or from disk, with the bins of all rows or of some."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost as xgb

from lambda_learner.retrain import boost
from lambda_learner.retrain.boost import Matrix, Room, Trees, fit, predict, threads_for
from lambda_learner.retrain.spool import Spool

TREES = Trees("reg:squarederror", 15, 4, 1)


def matrix(rows: int, *, page_rows: int = 700, seed: int = 0) -> tuple[Matrix, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    features = rng.random((rows, 5)).astype(np.float32)
    features[rng.random(features.shape) < 0.2] = np.nan
    target = np.nan_to_num(features[:, 0]) * 2 + (features[:, 1] > 0.3)
    made = Matrix(Spool(1 << 30))
    for start in range(0, rows, page_rows):
        part = slice(start, start + page_rows)
        made.append(features[part], target[part].astype(np.float64), np.ones(len(target[part])))
    return made, features


def grown(rows: Matrix, memory_bytes: int) -> bytes:
    booster, _ = fit(rows, TREES, room=Room(memory_bytes))
    return bytes(booster.save_raw("ubj"))


def test_trees_from_disk_are_those_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = matrix(5000)
    in_memory = grown(rows, 1 << 30)
    made: list[xgb.DMatrix] = []
    on_disk = xgb.ExtMemQuantileDMatrix

    def noted(*arguments: Any, **options: Any) -> xgb.DMatrix:
        made.append(on_disk(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(boost, "_cuts", lambda *_: None)  # the bins of all rows
    monkeypatch.setattr("xgboost.ExtMemQuantileDMatrix", noted)
    assert grown(rows, rows.pages.total_bytes - 1) == in_memory
    assert len(made) == 1


def test_the_cut_into_pages_does_not_matter() -> None:
    assert grown(matrix(3000, page_rows=700)[0], 1 << 30) == grown(matrix(3000, page_rows=3000)[0], 1 << 30)


def test_bins_of_some_rows_fit_about_as_well_as_those_of_all() -> None:
    rows, _ = matrix(20_000)
    losses = [fit(rows, TREES, room=Room(memory_bytes))[1][-1] for memory_bytes in (1 << 30, 5 * 64 * 1024)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], abs=0.01)  # of a target whose deviation is 0.7


@pytest.mark.parametrize("page_rows", [3, 10, 7000])
def test_bins_are_taken_from_evenly_spaced_rows_however_small_the_pages(page_rows: int) -> None:
    rows, features = matrix(20_000, page_rows=page_rows)
    cuts = boost._cuts(rows, TREES, 5 * 64 * 1024)
    assert cuts is not None
    taken = features[::20]
    assert cuts.num_row() == len(taken) == 1000
    assert cuts.num_nonmissing() == (~np.isnan(taken)).sum()


def test_the_losses_are_those_of_the_held_out_rows() -> None:
    rows, _ = matrix(3000)
    held_out, features = matrix(1000, seed=1)
    booster, losses = fit(rows, TREES, room=Room(1 << 30), held_out=held_out)
    target = np.nan_to_num(features[:, 0]) * 2 + (features[:, 1] > 0.3)
    error = np.sqrt(((predict(booster, features) - target) ** 2).mean())
    assert len(losses) == 15
    assert losses[-1] == pytest.approx(error, rel=1e-4)


def test_a_page_without_rows_is_none() -> None:
    rows, _ = matrix(10)
    rows.append(np.empty((0, 5), np.float32), np.empty(0), np.empty(0))
    assert (len(rows.pages), rows.rows) == (1, 10)


@pytest.mark.parametrize(("decisions", "threads", "expected"), [(100_000, None, 1), (10**9, 3, 3), (1, 8, 8)])
def test_few_decisions_have_one_thread_unless_told_otherwise(
    decisions: int, threads: int | None, expected: int
) -> None:
    assert threads_for(decisions, threads) == expected
