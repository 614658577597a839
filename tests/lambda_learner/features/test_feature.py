from __future__ import annotations

import pytest

from lambda_learner import Feature


def test_a_feature_has_three_attributes_and_a_key() -> None:
    feature = Feature("genre", "drama", 0.5)
    assert (feature.name, feature.term, feature.value) == ("genre", "drama", 0.5)
    assert feature.name_term == ("genre", "drama")


def test_its_text_is_the_original_s() -> None:
    assert str(Feature("N", "T", 1.5)) == "[name: N, term: T, value: 1.5]"


def test_values_are_compared_up_to_rounding() -> None:
    assert Feature("n", "t", 0.1 + 0.2) == Feature("n", "t", 0.3)
    assert Feature("n", "t", 1.0) != Feature("n", "t", 1.0 + 1e-8)
    assert Feature("n", "t", 0.0) != Feature("n", "t", 1e-300)


@pytest.mark.parametrize("other", [Feature("m", "t", 1.0), Feature("n", "u", 1.0), Feature("n", "t", 2.0)])
def test_another_name_term_or_value_is_another_feature(other: Feature) -> None:
    assert Feature("n", "t", 1.0) != other


def test_comparing_with_another_type_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        assert Feature("n", "t", 1.0) == ("n", "t", 1.0)


def test_features_have_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(Feature("n", "t", 1.0))
