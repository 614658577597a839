"""Entity keys: one typed text for the values at the configured paths."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.features import entity_key, entity_of

SCALARS = (
    st.text() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)


def test_an_entity_is_the_value_at_its_path() -> None:
    assert entity_of({"id": 3}, {"user_id": "u1"}, ["context.user_id"]) == '["u1"]'
    assert entity_of({"id": 3}, {"user_id": "u1"}, ["context.user_id", "item.id"]) == '["u1",3]'


def test_without_paths_all_decisions_are_of_one_entity() -> None:
    assert entity_of({"id": 3}, None, []) == "[]"


def test_values_of_different_types_are_different_entities() -> None:
    keys = {entity_key([value]) for value in (1, "1", True, "true", 1.5, "1.5", "", "[]", 0, False)}
    assert len(keys) == 10


@pytest.mark.parametrize("value", [1, 1.0, -7.0, 0.0, -0.0, 2.0**53])
def test_a_whole_number_is_one_entity_however_it_was_written(value: float) -> None:
    assert entity_key([value]) == f"[{int(value)}]"


def test_integers_over_64_bits_are_the_floats_that_a_line_has() -> None:
    assert entity_key([2**64]) == entity_key([float(2**64)]) == "[1.8446744073709552e+19]"


@pytest.mark.parametrize("value", [None, [], ["u1"], {}, {"id": 1}, math.nan, math.inf, -math.inf, 10**400], ids=str)
def test_what_is_missing_null_or_no_finite_scalar_has_no_entity(value: Any) -> None:
    assert entity_key([value]) is None
    assert entity_of(None, {"a": "u", "b": value}, ["context.a", "context.b"]) is None


@pytest.mark.parametrize("context", [None, 7, "text", [], {}, {"user": None}, {"user": "u"}])
def test_a_path_that_leads_nowhere_has_no_entity(context: object) -> None:
    assert entity_of(None, context, ["context.user.id"]) is None


def test_a_key_with_a_fraction_writes_its_texts_as_any_other_key_does() -> None:
    text = 'é🎧"\\/\n\x00\x7f\u2028'
    key = entity_key([text])
    assert key is not None
    assert entity_key([text, 0.5]) == f"{key[:-1]},0.5]"


@given(st.lists(SCALARS, max_size=3), st.lists(SCALARS, max_size=3))
def test_a_key_is_json_of_its_values_and_tells_them_apart(one: list[Any], other: list[Any]) -> None:
    key = entity_key(one)
    assert key is not None
    assert json.loads(key) == one
    if key == entity_key(other):
        assert one == other
