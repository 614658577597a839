"""The rows that take few seconds, on the real ratings; `lambda-learner evaluate movielens` measures all of them."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.evaluation.movielens import ROWS, Protocol, Ratings, Row, as_arrays, batch_game, measure, steps_of
from lambda_learner.simulate import movielens
from lambda_learner.simulate.movielens import DataSetError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    try:
        return as_arrays(movielens.read(movielens.find_folder()))
    except DataSetError as error:
        pytest.skip(str(error))


def is_quick(row: Row) -> bool:
    return isinstance(row.protocol, Protocol) and (row.protocol.how != "retrained" or row.protocol.every > 1)


def test_rows_of_the_stream_are_within_their_tolerance_of_the_specification(ratings: Ratings) -> None:
    rows = [row for row in ROWS if is_quick(row)]
    steps: list[str] = []
    measured = measure(ratings, rows, steps.append)
    assert {row.target for row in rows} == {f"T{n}" for n in range(2, 9)}
    assert len(steps) == steps_of(rows)
    for row, auc in zip(rows, measured, strict=True):
        assert auc == pytest.approx(row.expected, abs=0.003), row
    found = {row.protocol: auc for row, auc in zip(rows, measured, strict=True)}
    for every in (5, 20):  # the claim: incremental is as good as fitted anew, and keeps no past event
        fitted, incremental = found[Protocol("user", "retrained", every)], found[Protocol("user", "incremental", every)]
        assert abs(fitted - incremental) < 0.0015


def test_one_random_split_of_batch_game_is_near_the_mean_of_five(ratings: Ratings) -> None:
    aucs = batch_game(ratings, np.random.default_rng(0))
    np.testing.assert_allclose(aucs, [row.expected for row in ROWS if row.target == "T1"], atol=0.01)
