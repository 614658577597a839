from __future__ import annotations

import pytest

from lambda_learner import Feature, TrainingRecord

A, B = Feature("a", "x", 1.0), Feature("b", "y", 2.0)


@pytest.mark.parametrize(("given", "seen"), [(1, 1), (1.0, 1), (True, 1), (-1, -1), (0, -1), (0.5, -1), (2, -1)])
def test_any_label_but_one_is_minus_one(given: float, seen: int) -> None:
    record = TrainingRecord(given, 1.0, 0.0, [])
    assert record.label == seen
    assert record.real_label == given


def test_what_is_given_is_kept() -> None:
    record = TrainingRecord(1, 2.0, 0.5, [A, B], {"page": "home"})
    assert (record.weight, record.offset, record.features) == (2.0, 0.5, [A, B])
    assert record.context == {"page": "home"}
    assert TrainingRecord(1, 2.0, 0.5, []).context is None


def test_names_are_distinct_and_in_order() -> None:
    assert TrainingRecord(1, 1.0, 0.0, [B, A, B]).name_terms == [("b", "y"), ("a", "x")]


def test_its_text_is_the_original_s() -> None:
    assert repr(TrainingRecord(0, 2.0, 0.5, [A, B])) == (
        "[TrainingRecord: label = -1; offset = 0.5; weight = 2.0;"
        " features = [name: a, term: x, value: 1.0],[name: b, term: y, value: 2.0]]"
    )
