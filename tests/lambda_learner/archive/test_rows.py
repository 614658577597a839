from __future__ import annotations

import pyarrow as pa
import pytest

from lambda_learner.archive.rows import EXTRAS, GYM_COLUMNS, SCHEMA, ArchiveRow, table_of
from tests.harness.archive import a_decision, a_reward, an_id


def test_the_columns_and_their_types_are_the_gyms_and_ours_come_after_them() -> None:
    assert GYM_COLUMNS == ("decision_id", "item", "context", "count", "sample", "rewards", "reward")
    assert tuple(SCHEMA.names) == (*GYM_COLUMNS, *EXTRAS)
    doubles = {field.name for field in SCHEMA if field.type == pa.float64()}
    assert doubles == {"count", "reward"}
    assert all(field.type == pa.string() for field in SCHEMA if field.name not in doubles)


def test_a_decision_is_a_row_without_rewards_its_json_sorted_and_without_spaces() -> None:
    row = a_decision(an_id(1), item={"b": 1.0, "a": "métal 🎧"}, context={"z": [None, True]}, count=8)
    expected = ArchiveRow(
        an_id(1), '{"a":"métal 🎧","b":1.0}', '{"z":[null,true]}', 8.0, '{"id":2}', rewards="{}", reward=0.0
    )
    assert row == expected


def test_a_decision_without_context_has_the_text_null() -> None:
    assert a_decision(an_id(1)).context == "null"


def test_a_null_item_is_the_text_null() -> None:
    assert a_decision(an_id(1), item=None).item == "null"


def test_a_null_sample_is_the_text_null_and_no_sample_is_sql_null() -> None:
    assert a_decision(an_id(1), sample=None).sample == "null"
    assert a_decision(an_id(1), sample=..., count=1).sample is None


def test_a_reward_is_a_partial_row() -> None:
    row = a_reward(an_id(1), an_id(5), 2)
    assert row == ArchiveRow(an_id(1), rewards=f'{{"{an_id(5)}":2.0}}', reward=2.0)
    assert (row.item, row.context, row.count, row.sample) == (None, None, None, None)


def test_a_negative_zero_is_zero() -> None:
    assert a_reward(an_id(1), an_id(5), -0.0).rewards == f'{{"{an_id(5)}":0.0}}'


def test_what_a_decision_may_carry_besides_goes_to_columns_of_its_own() -> None:
    row = a_decision(an_id(1), item=1, candidates=[1, 2, {"b": 2, "a": 1}], propensity=0.25, model_version="v3")
    extras = (row.candidates, row.propensity, row.model_version, row.runners_up)
    assert extras == ('[1,2,{"a":1,"b":2}]', "0.25", '"v3"', None)


def test_a_word_of_the_extra_columns_within_an_item_is_no_extra() -> None:
    row = a_decision(an_id(1), item={"propensity": 1})
    assert row.propensity is None


def test_the_runners_up_of_version_7_are_kept() -> None:
    version_7 = {"item": ..., "variant": {"$value": "a"}, "givens": {"x": 1}, "runners_up": [{"$value": "b"}, {}]}
    row = a_decision(an_id(1), **version_7, count=4)
    assert (row.item, row.context, row.sample, row.runners_up) == ('"a"', '{"x":1}', '{"id":2}', '["b",null]')


@pytest.mark.parametrize("rows", [[], [ArchiveRow(an_id(1))]])
def test_a_table_has_all_columns_whatever_the_rows(rows: list[ArchiveRow]) -> None:
    table = table_of(rows)
    assert table.schema == SCHEMA
    assert table.num_rows == len(rows)
