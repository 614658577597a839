from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyflink.datastream import OutputTag

from lambda_learner.policy import Policies
from operators.files import plan_folder
from operators.parse import Parser
from operators.reading import Reading, ReadSettings
from operators.rows import ROW, clock_row
from operators.sources import Read
from tests.harness.cases import POLICY, T0_S, decision_line

SETTINGS = ReadSettings(Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000))


def write(path: Path, *lines: bytes, second: int = 100) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(path, (T0_S + second, T0_S + second))


@contextmanager
def opened(read: Read) -> Iterator[Read]:
    read.open(None)
    yield read
    read.close()


def given_by(read: Read, value: Any) -> tuple[list[str], dict[str, list[str]]]:
    """The texts of rows, and the side outputs by their tag's id."""
    rows, side = [], dict[str, list[str]]()
    for each in read.process_element(value, None):
        if isinstance(each, tuple) and isinstance(each[0], OutputTag):
            side.setdefault(each[0].tag_id, []).append(each[1])
        else:
            rows.append(each)
    return rows, side


def test_a_chunk_gives_one_text_of_rows_one_of_counts_and_each_dead_letter(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(1, 0), b"{", decision_line(1, 1), b"[")
    with opened(Read(SETTINGS, plan_folder(str(tmp_path)))) as read:
        rows, side = given_by(read, 0)
    assert len(rows) == len(side["parse-counts"]) == 1
    assert len(rows[0].split(ROW)) == 2
    assert [json.loads(letter)["position"].rpartition(":")[0] for letter in side["dead-letters"]] == [
        str(tmp_path / "a")
    ] * 2


def test_a_chunk_of_a_followed_folder_comes_as_text(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(1))
    (chunk,) = plan_folder(str(tmp_path))
    with opened(Read(SETTINGS, [chunk])) as read:
        assert given_by(read, chunk.to_json()) == given_by(read, 0)


def test_a_chunk_of_nothing_but_bad_lines_gives_no_rows(tmp_path: Path) -> None:
    write(tmp_path / "a", b"{", b"{")
    with opened(Read(SETTINGS, plan_folder(str(tmp_path)))) as read:
        rows, side = given_by(read, 0)
    assert rows == []
    assert len(side["dead-letters"]) == 2


@pytest.mark.parametrize("readers", [1, 2, 7])
def test_whatever_was_guessed_of_its_order_each_chunk_gives_its_own_rows(tmp_path: Path, readers: int) -> None:
    for name in "abcdef":
        write(tmp_path / name, decision_line(1, ord(name)))
    plan = plan_folder(str(tmp_path))
    with opened(Read(SETTINGS, plan, readers=readers)) as read:
        for index in (0, 1, 2, 4, 3, 5, 5, 0):
            (expected,) = Reading(SETTINGS).texts(plan[index])
            assert given_by(read, index)[0] == [expected.rows]


def test_the_wall_clock_is_a_row_without_a_count(tmp_path: Path) -> None:
    with opened(Read(SETTINGS)) as read:
        assert given_by(read, "1700000000000") == ([clock_row(1_700_000_000_000)], {})
