"""The configured texts: paths, crosses, and the entity's paths that are left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.features import FeatureSpec, flatten
from lambda_learner.features.paths import join_path, resolve, split_path

KEYS = st.text(st.sampled_from("ab.\\×x "), min_size=1, max_size=4)


def test_the_default_is_the_whole_item() -> None:
    assert FeatureSpec() == FeatureSpec.parse(["item"])


@pytest.mark.parametrize(
    "text", ["item.a × context.b", "item.a×context.b", " item.a  ×  context.b ", "item.a x context.b"]
)
def test_a_cross_is_written_with_its_sign_or_an_x_between_spaces(text: str) -> None:
    assert FeatureSpec.parse([text]).crosses == (("item.a", "context.b"),)


def test_an_x_within_a_word_is_no_cross() -> None:
    assert FeatureSpec.parse(["item.max_x.xx"]).paths == ("item.max_x.xx",)


def test_an_escaped_sign_belongs_to_the_key() -> None:
    spec = FeatureSpec.parse([r"item.a\×b × item.c\ x d"])
    values = flatten({"a×b": 2, "c x d": 3}, None, spec).values
    assert values == {(r"item.a\×b × item.c x d", " × "): 6.0}


def test_crosses_alone_leave_the_paths_empty() -> None:
    assert FeatureSpec.parse(["item.a × item.b"]).paths == ()


@pytest.mark.parametrize("text", ["", "items", "user.id", "item.", ".item", "item..a", "item.a\\", "item × ", "×"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a path is item or context"):
        FeatureSpec.parse([text])


def test_an_entity_path_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'user_id'"):
        FeatureSpec.parse(["item"], entity_paths=["user_id"])


def test_a_cross_of_three_is_refused() -> None:
    with pytest.raises(ValueError, match="two paths"):
        FeatureSpec.parse(["item.a × item.b × item.c"])


def test_paths_at_or_under_the_entitys_are_left_out_in_crosses_too() -> None:
    features = ["context.user", "context.user.id", "context.user.id.x", "item.a × context.user.id"]
    spec = FeatureSpec.parse(features, entity_paths=["context.user.id"])
    values = flatten({"a": 1}, {"user": {"id": {"x": 1}, "age": 2}}, spec).values
    assert values == {("context.user.age", ""): 2.0}


def test_a_path_whose_name_only_begins_like_the_entitys_is_kept() -> None:
    spec = FeatureSpec.parse(["context"], entity_paths=["context.user"])
    assert flatten(None, {"user": 1, "user_age": 2}, spec).values == {("context.user_age", ""): 2.0}


@given(st.lists(KEYS, max_size=3))
def test_a_path_that_is_written_is_read_back(keys: list[str]) -> None:
    assert split_path(join_path(["item", *keys])) == ("item", *keys)


@given(st.lists(KEYS, min_size=1, max_size=3))
def test_a_written_path_leads_to_its_value(keys: list[str]) -> None:
    value: object = 7
    for key in reversed(keys):
        value = {key: value}
    assert resolve(value, None, join_path(["item", *keys])) == 7
    assert resolve(None, value, join_path(["context", *keys])) == 7
