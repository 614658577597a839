"""Offsets: the same one at a time, many at once and as the model's own score says; foreign and damaged files."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.publish.bases import BaseEntry
from lambda_learner.retrain.decision import DecisionModel
from lambda_learner.retrain.offset_model import NOISE, DamagedBase, OffsetModel, load_offset_model
from tests.harness.bases import GENRES, KEY, trained_base

BASE = trained_base()
MODEL = DecisionModel.of_file(BASE.model_file)
ENTRY = BaseEntry("b1", KEY, "logistic", 1, 0, *BASE.calibration)
OFFSETS = OffsetModel(ENTRY, MODEL)

VALUES = (
    st.none() | st.booleans() | st.integers(-5, 30) | st.floats(-1e300, 1e300) | st.sampled_from((*GENRES, "", "é"))
)
ITEMS = VALUES | st.dictionaries(st.sampled_from(("genre", "tempo", "other")), VALUES | st.lists(VALUES, max_size=2))
CONTEXTS = st.none() | st.dictionaries(st.sampled_from(("hour", "user", "other")), VALUES)


def by_hand(item: Any, context: Any) -> float:
    return ENTRY.intercept + ENTRY.slope * float(MODEL.score([item], context, noise=NOISE)[0])


@given(st.lists(st.tuples(ITEMS, CONTEXTS), max_size=6))
def test_many_at_once_are_what_each_is_by_itself_to_the_last_bit(pairs: list[tuple[Any, Any]]) -> None:
    found = OFFSETS.offsets([item for item, _ in pairs], [context for _, context in pairs])
    assert found.tolist() == [by_hand(item, context) for item, context in pairs]


@given(st.lists(ITEMS, max_size=5), CONTEXTS)
def test_candidates_of_a_call_get_what_decisions_for_them_get(items: list[Any], context: Any) -> None:
    assert OFFSETS.candidates(items, context).tolist() == OFFSETS.offsets(items, [context] * len(items)).tolist()


def test_the_cut_into_chunks_does_not_show() -> None:
    rng = np.random.default_rng(1)
    items = [
        {"genre": GENRES[i], "tempo": float(t)} for i, t in zip(rng.integers(0, 3, 900), rng.random(900), strict=True)
    ]
    contexts = [{"hour": int(hour)} for hour in rng.integers(0, 24, 900)]
    whole = OFFSETS.offsets(items, contexts)
    for size in (1, 63, 64, 65, 257):
        parts = [OFFSETS.offsets(items[at : at + size], contexts[at : at + size]) for at in range(0, 900, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_constant_base_gives_its_intercept(store: Any) -> None:
    constant = load_offset_model(store, ENTRY._replace(key="", intercept=-1.5, slope=0.0))
    assert constant.offsets([{"genre": "rock"}, None], [None, {}]).tolist() == [-1.5, -1.5]
    assert constant.candidates([{"genre": "rock"}], None).tolist() == [-1.5]


def test_a_file_that_is_not_there_or_no_model_is_an_error_that_names_it(store: Any) -> None:
    with pytest.raises(DamagedBase, match=f"{KEY} is damaged: the activation log names it.*restore it from a copy"):
        load_offset_model(store, ENTRY)
    for data, reason in (
        (b"xyz", "not gzip"),
        (gzip.compress(b"{}"), "old binary format"),
        (BASE.model_file[:999], "gzip"),
    ):
        store.put(KEY, data)
        with pytest.raises(DamagedBase, match=reason):
            load_offset_model(store, ENTRY)
    store.put(KEY, BASE.model_file)
    assert load_offset_model(store, ENTRY).offsets([1], [None]).tolist() == [by_hand(1, None)]
