"""Features of an item and a context (DESIGN §4, Features x)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.features import Features, FeatureSpec, flatten

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/features.json").read_text("utf-8"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
KEYS = st.text(st.sampled_from('ab.\\×"x0 '), max_size=3)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def features(item: Any, *paths: str, context: Any = None) -> Features:
    return flatten(item, context, FeatureSpec.parse(paths or ("item",)))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_a_hand_made_item_gives_its_hand_made_features(case: dict[str, Any]) -> None:
    given_, expected = case["given"], case["expected"]
    spec = FeatureSpec.parse(given_["features"], entity_paths=given_["entity_paths"])
    result = flatten(given_["item"], given_["context"], spec)
    assert sorted([name, term, value] for (name, term), value in result.values.items()) == expected["features"]
    assert result.skipped == expected["skipped"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 10**400])
def test_a_number_that_is_not_finite_or_huge_is_skipped_and_counted(value: float) -> None:
    assert features({"a": value, "b": 1}) == ({("item.b", ""): 1.0}, 1)


def test_a_number_skipped_along_two_ways_is_counted_once() -> None:
    assert features({"a": 1e9}, "item", "item.a", "item.a × item").skipped == 1


def test_a_product_out_of_bounds_is_skipped_and_counted() -> None:
    assert features({"a": 1e4, "b": 1e3}, "item.a × item.b") == ({}, 1)


@pytest.mark.parametrize("item", [None, {}, [], [None], {"a": None}, {"a": {"b": []}}])
def test_what_is_missing_or_null_gives_nothing(item: object) -> None:
    assert features(item) == ({}, 0)


def test_nulls_do_not_change_what_a_list_of_strings_is() -> None:
    assert features(["b", None, "a"]) == features(["a", "b"])


def test_the_order_of_a_list_of_strings_and_repetition_do_not_matter() -> None:
    assert features({"t": ["a", "b", "a"]}) == features({"t": ["b", "a"]})


def test_a_value_that_changes_its_type_is_another_feature() -> None:
    values: list[object] = [5, "5", "", [5], {"0x": 5}]
    keys = [tuple(features({"a": value}).values) for value in values]
    assert len(set(keys)) == len(values)


def test_overlapping_paths_give_each_feature_once() -> None:
    item = {"genre": "rock", "tempo": 3}
    assert features(item, "item", "item.genre", "item") == features(item)


def test_a_path_may_point_at_a_member_of_a_list() -> None:
    assert features({"parts": [{"k": 1}, {"k": 2}]}, "item.parts.1.k").values == {("item.parts.1.k", ""): 2.0}
    assert features({"parts": [1]}, "item.parts.5", "item.parts.x") == ({}, 0)


def test_a_subtree_is_crossed_scalar_by_scalar() -> None:
    result = features({"a": "x", "b": 2}, "item × context.h", context={"h": ["u", "v"]})
    assert result.values == {
        ("item.a × context.h", "x × u"): 1.0,
        ("item.a × context.h", "x × v"): 1.0,
        ("item.b × context.h", " × u"): 2.0,
        ("item.b × context.h", " × v"): 2.0,
    }


def test_a_cross_with_a_missing_side_gives_nothing() -> None:
    assert features({"a": "x"}, "item.a × context.h") == ({}, 0)


def test_terms_of_a_cross_that_hold_the_sign_stay_apart() -> None:
    spec = FeatureSpec.parse(["item.a × item.b"])
    one = flatten({"a": "p × q", "b": "r"}, None, spec)
    other = flatten({"a": "p", "b": "q × r"}, None, spec)
    assert set(one.values).isdisjoint(other.values)


def test_a_key_never_looks_like_a_cross() -> None:
    assert set(features({"a × item": 1}).values) == {(r"item.a \× item", "")}


def test_what_json_does_not_have_is_an_error_that_names_the_path() -> None:
    with pytest.raises(TypeError, match="item.when holds a bytes"):
        features({"when": b"now"})


@given(JSON, JSON)
def test_any_json_gives_finite_bounded_features(item: Any, context: Any) -> None:
    spec = FeatureSpec.parse(["item", "context", "item × context"], entity_paths=["context.a"])
    result = flatten(item, context, spec)
    assert all(abs(value) <= 1e6 for value in result.values.values())
    assert not any(name == "context.a" or name.startswith("context.a.") for name, _ in result.values)


@given(st.dictionaries(KEYS, st.integers(1, 9), max_size=4), st.dictionaries(KEYS, st.integers(1, 9), max_size=4))
def test_different_keys_never_share_a_name(one: dict[str, int], nested: dict[str, int]) -> None:
    assert len(features({**one, "nested": nested}).values) == len({**one, "nested": 0}) - 1 + len(nested)


@given(st.text(), st.text())
def test_different_strings_never_share_a_term(one: str, other: str) -> None:
    assert (features(one) == features(other)) == (one == other)
    assert ("item", "") not in features(one).values


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Object(dict[str, Any]):
    pass


def subclassed(value: Any) -> Any:
    """The same JSON in types that no short cut is made for."""
    if isinstance(value, dict):
        return Object((key, subclassed(member)) for key, member in value.items())
    if isinstance(value, list):
        return tuple(subclassed(member) for member in value)
    kinds: dict[type, Any] = {str: Text, int: Whole, float: Real}
    return kinds.get(type(value), lambda same: same)(value)


@given(JSON, JSON)
def test_the_short_cuts_for_exact_types_change_nothing(item: Any, context: Any) -> None:
    spec = FeatureSpec.parse(["item", "context", "item × context"], entity_paths=["context.a"])
    plain, other = flatten(item, context, spec), flatten(subclassed(item), subclassed(context), spec)
    assert [*plain.values.items()] == [*other.values.items()]
    assert plain.skipped == other.skipped
