from __future__ import annotations

import pytest

from lambda_learner import Feature, IndexMap, TrainingRecord

A, B, C = ("a", "x"), ("b", "y"), ("c", "z")


def features(*name_terms: tuple[str, str]) -> list[Feature]:
    return [Feature(name, term, 1.0) for name, term in name_terms]


def record(*name_terms: tuple[str, str]) -> TrainingRecord:
    return TrainingRecord(1, 1.0, 0.0, features(*name_terms))


def test_the_intercept_is_always_at_0() -> None:
    index_map = IndexMap()
    assert (index_map.intercept_nt, index_map.intercept_index) == (("intercept", "intercept"), 0)
    assert (len(index_map), index_map.get_index(("intercept", "intercept"))) == (1, 0)
    assert IndexMap("bias", "").intercept_nt == ("bias", "")


def test_pushed_names_take_the_next_index_once() -> None:
    index_map = IndexMap()
    for name_term in (A, B, A):
        index_map.push(name_term)
    assert [index_map.get_index(name_term) for name_term in (A, B)] == [1, 2]
    assert [index_map.get_nt(index) for index in (1, 2)] == [A, B]
    assert len(index_map) == 3


def test_a_batch_says_how_many_were_new_and_how_many_distinct() -> None:
    index_map = IndexMap()
    assert index_map.batch_push([A, B, A]) == (2, 2)
    assert index_map.batch_push(iter([B, C])) == (1, 2)
    assert index_map.batch_push([index_map.intercept_nt]) == (0, 1)


@pytest.mark.parametrize("index", [-1, 1])
def test_an_index_that_is_not_there_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError, match=str(index)):
        IndexMap().get_nt(index)


def test_a_name_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="push it first"):
        IndexMap().get_index(A)


def test_its_text_lists_the_pairs_by_index() -> None:
    index_map = IndexMap()
    index_map.push(A)
    assert repr(index_map) == "[('intercept', 'intercept'):0; ('a', 'x'):1]"


def test_means_come_first_then_variances_then_records() -> None:
    index_map, counts = IndexMap.from_records_means_and_variances(
        [record(("r2", ""), C), record(("r1", ""))], features(C, B), features(B, A)
    )
    names = [index_map.get_nt(index) for index in range(1, len(index_map))]
    assert names == [C, B, A, ("r2", ""), ("r1", "")]
    assert counts == {"num_nts_in_both": 1, "num_nts_in_records_only": 2, "num_nts_in_coeffs_only": 2}


def test_an_intercept_among_the_features_counts_as_in_both() -> None:
    index_map, counts = IndexMap.from_records_means_and_variances([record(("intercept", "intercept"))], [], [])
    assert len(index_map) == 1
    assert counts == {"num_nts_in_both": 1, "num_nts_in_records_only": 0, "num_nts_in_coeffs_only": -1}
