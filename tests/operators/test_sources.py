from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pyflink.datastream import OutputTag

from lambda_learner.policy import Policies
from operators import sources
from operators.files import FileChunk, plan_folder
from operators.parse import Parser
from operators.rows import FIELD, ROW
from operators.sources import Follow, Read
from tests.harness.cases import POLICY, T0_S, decision_line, joined
from tests.harness.fake_flink import Driven

PARSER = Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000)


def write(path: Path, *lines: bytes, second: int = 100) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(path, (T0_S + second, T0_S + second))


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
    rows, side = given_by(Read(PARSER, plan_folder(str(tmp_path))), 0)
    assert len(rows) == len(side["parse-counts"]) == 1
    assert len(rows[0].split(ROW)) == 2
    assert [json.loads(letter)["position"].rpartition(":")[0] for letter in side["dead-letters"]] == [
        str(tmp_path / "a")
    ] * 2


def test_a_chunk_of_a_followed_folder_comes_as_text(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(1))
    (chunk,) = plan_folder(str(tmp_path))
    assert given_by(Read(PARSER), chunk.to_json()) == given_by(Read(PARSER, [chunk]), 0)


def test_a_chunk_of_very_many_lines_gives_several_texts(tmp_path: Path) -> None:
    write(tmp_path / "a", *(decision_line(1, number) for number in range(7)))
    read = Read(PARSER, plan_folder(str(tmp_path)))
    (whole,), _ = given_by(read, 0)
    with patch.object(sources, "LINES_AT_ONCE", 3):
        texts, side = given_by(read, 0)
    assert ROW.join(texts) == whole
    assert len(texts) == len(side["parse-counts"]) == 3


def test_a_chunk_of_nothing_but_bad_lines_gives_no_rows(tmp_path: Path) -> None:
    write(tmp_path / "a", b"{", b"{")
    rows, side = given_by(Read(PARSER, plan_folder(str(tmp_path))), 0)
    assert rows == []
    assert len(side["dead-letters"]) == 2


def test_a_line_without_a_time_of_arrival_arrived_when_its_file_was_written(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(100 + 900, 1), decision_line(100 + 901, 2))
    (rows,), side = given_by(Read(PARSER, plan_folder(str(tmp_path))), 0)
    assert int(rows.split(FIELD)[1]) == (T0_S + 100) * 1000
    (letter,) = side["dead-letters"]
    assert json.loads(letter)["reason"] == "clock_ahead"


def test_a_file_from_the_future_has_arrived_by_now(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(4_000_000_000 - T0_S), second=4_000_000_000 - T0_S)
    _, side = given_by(Read(PARSER, plan_folder(str(tmp_path))), 0)
    (letter,) = side["dead-letters"]
    assert json.loads(letter)["reason"] == "clock_ahead"


def chunks(texts: list[str]) -> list[str]:
    """The names of the files of chunks."""
    return [Path(FileChunk(*json.loads(text)).path).name for text in texts]


def test_a_followed_folder_gives_each_file_once_oldest_first(tmp_path: Path) -> None:
    follow = Driven(Follow(str(tmp_path)))
    write(tmp_path / "b", b"1", second=1)
    write(tmp_path / "a", b"2", second=2)
    assert chunks(follow.element(0, None)) == ["b", "a"]
    write(tmp_path / "c", b"3", second=0)
    assert chunks(follow.element(0, None)) == ["c"]
    assert chunks(follow.element(0, None)) == []


def test_a_file_is_taken_when_it_gets_its_name(tmp_path: Path) -> None:
    follow = Driven(Follow(str(tmp_path)))
    write(tmp_path / ".a", b"1")
    assert follow.element(0, None) == []
    (tmp_path / ".a").rename(tmp_path / "a")
    assert chunks(follow.element(0, None)) == ["a"]


def test_a_restart_does_not_read_a_file_again(tmp_path: Path) -> None:
    follow = Driven(Follow(str(tmp_path)))
    write(tmp_path / "a", b"1")
    follow.element(0, None)
    write(tmp_path / "b", b"2")
    assert chunks(follow.restored(Follow(str(tmp_path))).element(0, None)) == ["b"]


def test_a_file_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    follow = Driven(Follow(str(tmp_path)))
    write(tmp_path / "a", b"1")
    follow.element(0, None)
    (tmp_path / "a").unlink()
    follow.element(0, None)
    assert Counter(len(seen) for seen in follow.keyed.maps.values()) == {0: 1}


def test_a_file_that_goes_while_the_folder_is_listed_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", b"1")
    listed = [tmp_path / "gone", tmp_path / "a"]
    monkeypatch.setattr(sources, "event_files", lambda _: listed)
    assert chunks(Driven(Follow(str(tmp_path))).element(0, None)) == ["a"]


def test_a_plan_and_its_index_name_the_same_windows_as_reading_all_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, *(decision_line(number, number) for number in range(50)))
    plan = plan_folder(str(tmp_path))
    texts = [text for index in range(len(plan)) for text in given_by(Read(PARSER, plan), index)[0]]
    assert sum(len(window.split(ROW)) for window in joined(ROW.join(texts).split(ROW)).values()) == 50
