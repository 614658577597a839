from __future__ import annotations

import pyarrow as pa
import pytest

from lambda_learner.archive.check import check
from lambda_learner.archive.rows import SCHEMA, ArchiveRow, table_of
from lambda_learner.events import ksuid
from tests.harness.archive import a_decision, a_reward, an_id, rows_of

SOUND = [a_decision(an_id(1)), a_reward(an_id(2), an_id(3)), a_decision(an_id(4), sample=..., count=1)]


def test_what_the_job_writes_is_sound() -> None:
    checked = check(table_of(SOUND))
    assert rows_of(checked.sound) == SOUND
    assert checked.bad.num_rows == 0
    assert checked.bad.schema.names == [*SCHEMA.names, "reason"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (a_decision(an_id(1))._replace(decision_id="short"), "decision_id must be a KSUID"),
        (a_decision(an_id(1))._replace(decision_id="z" * 27), "decision_id must be a KSUID"),
        (a_decision(an_id(1))._replace(decision_id=an_id(1)[:26] + "é"), "decision_id must be a KSUID"),
        (a_decision(an_id(1))._replace(decision_id=an_id(1) + "\n"), "decision_id must be a KSUID"),
        (a_decision(an_id(1))._replace(item='{"a":'), "item must be JSON"),
        (a_decision(an_id(1))._replace(context="undefined"), "context must be JSON"),
        (a_decision(an_id(1))._replace(sample=""), "sample must be JSON"),
        (a_decision(an_id(1))._replace(runners_up="["), "runners_up must be JSON"),
        (a_decision(an_id(1))._replace(rewards="[]"), "rewards must be a JSON object of numbers"),
        (a_decision(an_id(1))._replace(rewards='{"a":null}'), "rewards must be a JSON object of numbers"),
        (a_decision(an_id(1))._replace(rewards='{"a":"1"}'), "rewards must be a JSON object of numbers"),
        (a_decision(an_id(1))._replace(rewards="{"), "rewards must be a JSON object of numbers"),
        (a_decision(an_id(1))._replace(item=None), "item, context and count"),
        (a_decision(an_id(1))._replace(context=None), "item, context and count"),
        (a_decision(an_id(1))._replace(count=None), "item, context and count"),
        (a_decision(an_id(1))._replace(count=0.0), "item, context and count"),
        (a_decision(an_id(1))._replace(count=2.5), "item, context and count"),
        (a_decision(an_id(1))._replace(count=float("inf")), "item, context and count"),
        (a_reward(an_id(1), an_id(2))._replace(sample="1"), "item, context and count"),
    ],
)
def test_a_bad_row_is_told_apart_with_its_reason_and_the_others_stay(row: ArchiveRow, reason: str) -> None:
    checked = check(table_of([*SOUND[:2], row, *SOUND[2:]]))
    assert rows_of(checked.sound) == SOUND
    (bad,) = checked.bad.to_pylist()
    assert bad.pop("reason").startswith(reason)
    assert ArchiveRow(**bad) == row


def test_a_row_without_an_id_is_bad() -> None:
    table = table_of(SOUND).set_column(0, SCHEMA.field(0), pa.array([None, an_id(2), an_id(4)]))
    assert check(table).bad.num_rows == 1


def test_broken_texts_that_would_mend_each_other_are_both_bad() -> None:
    rows = [a_decision(an_id(n))._replace(item=item) for n, item in enumerate(("1,2", "[3", "4]"))]
    assert check(table_of(rows)).sound.num_rows == 0


def test_an_id_ahead_of_the_clock_is_bad() -> None:
    checked = check(table_of(SOUND), latest_id=an_id(2))
    assert rows_of(checked.sound) == SOUND[:2]


def test_the_greatest_id_there_is_is_sound() -> None:
    assert check(table_of([ArchiveRow(ksuid.MAX)])).bad.num_rows == 0


def test_no_rows_are_sound() -> None:
    assert check(SCHEMA.empty_table()).sound.num_rows == 0
