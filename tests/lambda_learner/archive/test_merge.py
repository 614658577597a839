from __future__ import annotations

import pyarrow as pa
import pytest

from lambda_learner.archive.merge import decision_mask, merge
from lambda_learner.archive.rows import SCHEMA, ArchiveRow, table_of
from tests.harness.archive import a_decision, a_reward, an_id, rows_of

D = an_id(1)


def merged(*rows: ArchiveRow) -> list[ArchiveRow]:
    return rows_of(merge([table_of(rows)]))


def test_nothing_merges_to_nothing() -> None:
    assert merge([]).schema == merge([SCHEMA.empty_table()]).schema == SCHEMA
    assert merge([]).num_rows == 0


def test_a_decision_gets_its_rewards_and_their_sum() -> None:
    one, two = an_id(5), an_id(6)
    (row,) = merged(a_reward(D, two, 2.5), a_decision(D), a_reward(D, one, -1.0))
    assert row == a_decision(D)._replace(rewards=f'{{"{one}":-1.0,"{two}":2.5}}', reward=1.5)


def test_rewards_without_their_decision_stay() -> None:
    (row,) = merged(a_reward(D, an_id(5)), a_reward(D, an_id(6)))
    assert (row.item, row.context, row.count, row.reward) == (None, None, None, 2.0)


def test_a_reward_for_a_reward_is_a_row_of_its_own() -> None:
    rows = merged(a_decision(D), a_reward(D, an_id(5)), a_reward(an_id(5), an_id(6)))
    assert [row.decision_id for row in rows] == [D, an_id(5)]


def test_a_reward_seen_twice_counts_once_and_of_two_values_the_greater() -> None:
    (row,) = merged(a_reward(D, an_id(5), 2), a_reward(D, an_id(5), 3), a_reward(D, an_id(5), 3))
    assert (row.rewards, row.reward) == (f'{{"{an_id(5)}":3.0}}', 3.0)


def test_rewards_are_summed_in_order_of_their_ids() -> None:
    values = {an_id(9): -1e16, an_id(7): 1e16, an_id(8): 1.0}  # as they come, 1.0 is left; by id it is lost
    (row,) = merged(*(a_reward(D, message_id, value) for message_id, value in values.items()))
    assert row.reward == (1e16 + 1.0) - 1e16 == 0.0


def test_of_conflicting_decisions_one_wins_whole() -> None:
    small = a_decision(D, context={"b": 1}, item="z", count=9, sample="x")
    great = a_decision(D, context={"c": 1}, item="a", count=1, sample=...)
    assert merged(small, great) == merged(great, small) == [great]


def test_a_decision_without_sample_does_not_get_the_sample_of_another_copy() -> None:
    with_sample, without = a_decision(D, item="a"), a_decision(D, item="b", sample=...)
    assert merged(with_sample, without) == [without]


def test_a_sample_that_is_null_is_more_than_none() -> None:
    null, none = a_decision(D, sample=None), a_decision(D, sample=...)
    assert merged(null, none) == merged(none, null)


def test_counts_are_compared_as_the_join_compares_their_texts() -> None:
    two, ten = a_decision(D, count=2), a_decision(D, count=10)
    assert merged(two, ten) == [two]  # "2" > "10"


def test_an_item_that_begins_another_is_compared_with_what_follows_it() -> None:
    one, twelve = a_decision(D, item=1), a_decision(D, item=12)
    assert merged(one, twelve) == [twelve]  # `1,"message_id"` < `12,"message_id"`


def test_extra_columns_come_from_the_winner_only() -> None:
    rich, winner = a_decision(D, item="a", propensity=0.5), a_decision(D, item="b")
    assert merged(rich, winner) == [winner]


def test_the_sum_is_worked_out_anew_whatever_a_file_says() -> None:
    (row,) = merged(a_decision(D)._replace(rewards=f'{{"{an_id(5)}":1,"{an_id(4)}":true}}', reward=77.0))
    assert (row.rewards, row.reward) == (f'{{"{an_id(4)}":1.0,"{an_id(5)}":1.0}}', 2.0)


def test_a_row_without_a_reward_map_has_an_empty_one() -> None:
    table = table_of([a_decision(D)]).set_column(5, SCHEMA.field("rewards"), pa.nulls(1, pa.string()))
    assert rows_of(merge([table])) == [a_decision(D)]


def test_a_piece_of_a_decision_never_wins_over_a_whole_one() -> None:
    piece = ArchiveRow(D, context='{"zzz":9}')
    assert merged(piece, a_decision(D)) == [a_decision(D)]


def test_rows_come_out_in_order_of_their_ids() -> None:
    ids = [an_id(second, number) for second in range(3) for number in range(3)]
    assert [row.decision_id for row in merged(*(a_decision(each) for each in reversed(ids)))] == ids


def test_the_result_is_one_chunk_whatever_went_in() -> None:
    table = merge([table_of([a_decision(an_id(n))]) for n in range(5)])
    assert {column.num_chunks for column in table.columns} == {1}


def test_a_broken_reward_map_is_no_row_of_ours() -> None:
    with pytest.raises(ValueError, match="."):
        merged(ArchiveRow(D, rewards="{"))


def test_a_decision_is_a_row_with_item_and_context() -> None:
    table = table_of([a_decision(an_id(1), item=None), a_reward(an_id(2), an_id(3))])
    assert decision_mask(table).to_pylist() == [True, False]
