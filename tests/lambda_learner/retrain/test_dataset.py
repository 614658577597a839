"""Rows become blocks of arrays; what cannot be read or used is set aside, a row at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.harness.archived_rows import NONE, START_S, id_at, row, table
from tests.harness.training import read


def test_a_decision_is_read_with_its_time_target_and_codes() -> None:
    rows = [
        row(5, {"g": "rock"}, context={"h": 9}, count=4, sample={"g": "pop"}, rewards={id_at(6): 1.5, id_at(7): 1.0}),
        row(6, {"g": "pop"}, count=1),
        row(7, {"g": "rock"}, count=2, sample=None),
    ]
    dataset, _ = read(rows)
    (block,) = dataset.blocks()
    assert block.seconds.tolist() == [START_S + 5, START_S + 6, START_S + 7]
    assert block.reward.tolist() == [2.5, 0.0, 0.0]
    assert block.candidates.tolist() == [4, 1, 2]
    assert block.passed_over.tolist() == [3, 0, 1]
    assert block.item[0] == block.item[2] != block.item[1] == block.sample[0]
    assert block.sample[1] == -1  # none
    assert block.sample[2] >= 0  # null, which is a sample
    assert dataset.mean_item_count == pytest.approx(7 / 3)
    assert (dataset.first_s, dataset.last_s) == (START_S + 5, START_S + 7)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("decision_id", "0", "unreadable"),
        ("decision_id", None, "unreadable"),
        ("decision_id", "é" * 27, "unreadable"),
        ("item", "{", "unreadable"),
        ("item", '{"a":NaN}', "unreadable"),
        ("item", "[" * 2000 + "]" * 2000, "unreadable"),
        ("sample", "", "unreadable"),
        ("context", "tru", "unreadable"),
        ("count", None, "unreadable"),
        ("count", 0.0, "unreadable"),
        ("count", float("inf"), "unreadable"),
        ("rewards", "[]", "of unusable rewards"),
        ("rewards", '{"a":1e300}', "of unusable rewards"),
        ("item", None, "partial"),
        ("context", None, "partial"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_and_the_others_stay(column: str, value: Any, reason: str) -> None:
    rows = [row(number, {"n": number}, sample={"n": -1}) for number in range(5)]
    rows[2] |= {column: value}
    dataset, _ = read(rows)
    assert +dataset.set_aside == {reason: 1}
    (block,) = dataset.blocks()
    assert block.seconds.tolist() == [START_S + number for number in (0, 1, 3, 4)]


def test_a_text_that_is_not_utf8_is_set_aside() -> None:
    rows = table([row(0, "a"), row(1, "b")])
    raw = pa.array([b'"\xff"', b'"b"'], pa.binary())
    dataset, _ = read(rows.set_column(1, "item", raw))
    assert +dataset.set_aside == {"unreadable": 1}
    assert dataset.decisions == 1


def test_runners_up_of_protocol_7_are_no_candidates_that_the_sample_stands_for() -> None:
    rows = table([row(number, "a", count=5, sample="b") for number in range(5)])
    runners_up = pa.array([None, '["x","y"]', "null", "[1,2,3,4,5]", "{"], pa.string())
    dataset, _ = read(rows.append_column("runners_up", runners_up))
    (block,) = dataset.blocks()
    assert block.passed_over.tolist() == [4, 2, 4]
    assert +dataset.set_aside == {"unreadable": 2}


def test_rewards_are_made_binary_before_their_moments() -> None:
    rewards = [-2.0, 0.0, 0.5, 7.0]
    rows = [row(number, "a", rewards={id_at(number): value}) for number, value in enumerate(rewards)]
    dataset, _ = read(rows, binary_rewards=True, explore=False)
    (block,) = dataset.blocks()
    assert block.reward.tolist() == [0, 0, 1, 1]
    assert dataset.rewards.mean == 0.5
    assert dataset.rewards.deviation == pytest.approx(np.std([0, 0, 1, 1], ddof=1))


def test_blocks_from_files_are_blocks_from_memory() -> None:
    rows = [row(number, {"n": number, "s": f"text {number}"}, sample={"n": -1}) for number in range(3000)]
    in_memory, _ = read(rows, max_features=2)
    on_disk, _ = read(rows, max_features=4000, max_memory_bytes=1 << 20)
    with on_disk.spool:
        assert on_disk.spool.memory_bytes <= 1 << 18
        assert on_disk.spool.total_bytes > 1 << 18
        for name in ("seconds", "reward", "candidates"):
            joined = [np.concatenate([getattr(block, name) for block in of.blocks()]) for of in (in_memory, on_disk)]
            np.testing.assert_array_equal(*joined)


def test_only_the_first_decisions_are_taken() -> None:
    dataset, _ = read([row(number, "a") for number in range(9)], max_decision_records=4)
    assert dataset.decisions == 4


def test_null_sample_and_none_differ() -> None:
    dataset, _ = read([row(0, "a", sample=None), row(1, "a", sample=NONE)])
    (block,) = dataset.blocks()
    assert (block.sample >= 0).tolist() == [True, False]
