"""Propensities that decisions carry weigh them, in place of the modelled ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lambda_learner.publish.model_file import LINEAGE
from lambda_learner.retrain import decision as module
from lambda_learner.retrain.block import Block
from lambda_learner.retrain.boost import Matrix
from lambda_learner.retrain.decision import train_decision
from lambda_learner.retrain.propensity import train_propensity
from lambda_learner.retrain.weights import Floats, logged_propensities, logged_propensity
from tests.harness.archived_rows import plain_rows, table
from tests.harness.training import read, trained

ROWS = plain_rows(400)
NONE: list[str | None] = [None] * len(ROWS)


def carrying(texts: list[str | None]) -> pa.Table:
    """The rows with these propensities, of which all have three candidates."""
    return table(ROWS).append_column("propensity", pa.array(texts, pa.string()))


def weights_of(rows: pa.Table, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Floats:
    """The weights that the decision model's trees would be grown with."""
    found: list[Floats] = []

    class Handed(Exception):
        pass

    def fit(matrix: Matrix, *_: Any, **__: Any) -> None:
        found.append(np.concatenate([weights for _, _, weights in matrix.pages]))
        raise Handed

    dataset, place = read(rows, explore=False, **settings)
    propensity = train_propensity(dataset, place)
    with monkeypatch.context() as patched:
        patched.setattr(module, "fit", fit)
        with pytest.raises(Handed):
            train_decision(dataset, propensity, place)
    return found[0]


def test_a_row_that_carries_one_is_weighted_by_it_and_the_others_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    modelled = weights_of(table(ROWS), monkeypatch)
    some = [*(["0.5", "1", "0.00001"] * 50), *NONE[150:]]
    found = weights_of(carrying(some), monkeypatch)
    np.testing.assert_allclose(found[:150].reshape(-1, 3), [[2 / 3, 1 / 3, 10_000 / 3]] * 50, rtol=1e-6)
    np.testing.assert_array_equal(found[150:], modelled[150:])


def test_rows_without_any_give_the_same_file_as_before_there_were_such() -> None:
    assert trained(carrying(NONE)).model_file == trained(table(ROWS)).model_file
    assert trained(table(ROWS)).metadata[LINEAGE]["metrics"]["logged_propensities"] == 0


def test_the_original_models_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    halves: list[str | None] = ["0.5"] * len(ROWS)
    found = weights_of(carrying(halves), monkeypatch, compatible="gym")
    np.testing.assert_array_equal(found, weights_of(table(ROWS), monkeypatch, compatible="gym"))
    assert trained(carrying(halves), compatible="gym").metrics.logged_propensities == 0


def test_the_lineage_says_how_many_rows_of_the_sample_were_weighted_by_them() -> None:
    half = ["0.25", None] * (len(ROWS) // 2)
    made = trained(carrying(half), explore=False)
    assert made.metadata[LINEAGE]["metrics"]["logged_propensities"] == made.metrics.logged_propensities == 200
    all_logged = trained(carrying(["0.25"] * len(ROWS)))
    assert 0 < all_logged.metrics.logged_propensities == all_logged.metrics.rows < len(ROWS)  # the bootstrap sample


def test_a_block_has_them_after_a_spool() -> None:
    dataset, _ = read(carrying(["0.5", None] * (len(ROWS) // 2)))
    (block,) = dataset.blocks()
    assert block.propensity.tolist()[::2] == [0.5] * 200
    for one, other in zip(block, Block.of(block.arrays()), strict=True):
        np.testing.assert_equal(one, other)


@pytest.mark.parametrize("text", [None, "", "half", "true", "0", "-0.1", "1.5", "[0.5]", '"0.5"', "null", "NaN"])
def test_what_is_no_probability_is_none(text: str | None) -> None:
    assert logged_propensity(text) is None
    assert np.isnan(logged_propensities(pa.chunked_array([[text, "0.5"]], pa.string()))[0])


def test_texts_and_bytes_are_read_alike() -> None:
    for kind in (pa.string(), pa.binary()):
        column = pa.chunked_array([["0.5", None], ["1"]], pa.string()).cast(kind)
        np.testing.assert_array_equal(logged_propensities(column), [0.5, np.nan, 1.0])
    assert len(logged_propensities(pa.chunked_array([], pa.binary()))) == 0
