from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyflink.datastream import OutputTag

from lambda_learner.policy import Policies
from operators import sources
from operators.files import FileChunk, plan_folder
from operators.parse import Parser
from operators.prefetch import parse_chunk
from operators.rows import ROW, clock_row
from operators.sources import Follow, Read, WallClock
from tests.harness.cases import POLICY, T0_S, decision_line
from tests.harness.fake_flink import Driven

PARSER = Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000)


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
    with opened(Read(PARSER, plan_folder(str(tmp_path)))) as read:
        rows, side = given_by(read, 0)
    assert len(rows) == len(side["parse-counts"]) == 1
    assert len(rows[0].split(ROW)) == 2
    assert [json.loads(letter)["position"].rpartition(":")[0] for letter in side["dead-letters"]] == [
        str(tmp_path / "a")
    ] * 2


def test_a_chunk_of_a_followed_folder_comes_as_text(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(1))
    (chunk,) = plan_folder(str(tmp_path))
    with opened(Read(PARSER, [chunk])) as read:
        assert given_by(read, chunk.to_json()) == given_by(read, 0)


def test_a_chunk_of_nothing_but_bad_lines_gives_no_rows(tmp_path: Path) -> None:
    write(tmp_path / "a", b"{", b"{")
    with opened(Read(PARSER, plan_folder(str(tmp_path)))) as read:
        rows, side = given_by(read, 0)
    assert rows == []
    assert len(side["dead-letters"]) == 2


@pytest.mark.parametrize("readers", [1, 2, 7])
def test_whatever_was_guessed_of_its_order_each_chunk_gives_its_own_rows(tmp_path: Path, readers: int) -> None:
    for name in "abcdef":
        write(tmp_path / name, decision_line(1, ord(name)))
    plan = plan_folder(str(tmp_path))
    with opened(Read(PARSER, plan, readers=readers)) as read:
        for index in (0, 1, 2, 4, 3, 5, 5, 0):
            (expected,) = parse_chunk(plan[index], PARSER)
            assert given_by(read, index)[0] == [expected.rows]


def test_the_wall_clock_is_a_row_without_a_count(tmp_path: Path) -> None:
    with opened(Read(PARSER)) as read:
        assert given_by(read, "1700000000000") == ([clock_row(1_700_000_000_000)], {})


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


# Where the wall clock closes windows.


@dataclass
class Hand:
    """A folder that is followed with a clock set by hand."""

    folder: Path
    now_ms: int = T0_S * 1000

    def follow(self, *, readers: int = 1) -> Follow:
        return Follow(str(self.folder), WallClock(3_000, readers, lambda: self.now_ms))

    def after(self, driven: Driven, ms: int) -> list[str]:
        """What the next look gives when so long has passed."""
        self.now_ms += ms
        return driven.element(0, None)


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    return Hand(tmp_path)


def test_the_clock_is_handed_on_at_each_look_while_no_file_has_come_for_long(hand: Hand) -> None:
    follow = Driven(hand.follow())
    write(hand.folder / "a", b"1")
    assert chunks(hand.after(follow, 0)) == ["a"]
    assert hand.after(follow, 2_999) == []
    assert hand.after(follow, 1) == [str(hand.now_ms)]
    assert hand.after(follow, 250) == [str(hand.now_ms)]


def test_a_file_stops_the_clock_until_none_has_come_for_as_long_again(hand: Hand) -> None:
    follow = Driven(hand.follow())
    hand.after(follow, 0)
    hand.after(follow, 3_000)
    write(hand.folder / "a", b"1")
    assert chunks(hand.after(follow, 250)) == ["a"]
    assert hand.after(follow, 2_999) == []
    assert hand.after(follow, 1) == [str(hand.now_ms)]


def test_a_folder_that_no_file_has_ever_come_to_has_the_clock_too(hand: Hand) -> None:
    follow = Driven(hand.follow())
    assert hand.after(follow, 0) == []
    assert hand.after(follow, 3_000) == [str(hand.now_ms)]


def test_each_reader_gets_the_clock(hand: Hand) -> None:
    follow = Driven(hand.follow(readers=3))
    hand.after(follow, 0)
    assert hand.after(follow, 3_000) == [str(hand.now_ms)] * 3


def test_a_job_that_stood_still_reads_the_files_that_came_meanwhile_before_it_tells_the_time(hand: Hand) -> None:
    follow = Driven(hand.follow())
    hand.after(follow, 0)
    write(hand.folder / "a", b"1")
    assert chunks(hand.after(follow, 30_000)) == ["a"]


def test_the_clock_is_never_later_than_the_look_at_the_folder(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    follow = Driven(hand.follow())
    hand.after(follow, 0)

    def stands_still(_: str) -> list[Path]:
        hand.now_ms += 30_000  # files may come between the look and the time
        return []

    monkeypatch.setattr(sources, "event_files", stands_still)
    assert hand.after(follow, 3_000) == [str(T0_S * 1000 + 3_000)]


def test_a_restart_waits_for_files_before_it_tells_the_time(hand: Hand) -> None:
    follow = Driven(hand.follow())
    hand.after(follow, 0)
    hand.after(follow, 3_000)
    restored = follow.restored(hand.follow())
    assert hand.after(restored, 60_000) == []
    assert hand.after(restored, 3_000) == [str(hand.now_ms)]


def test_without_the_wall_clock_a_quiet_folder_gives_nothing(tmp_path: Path) -> None:
    follow = Driven(Follow(str(tmp_path)))
    assert [follow.element(0, None) for _ in range(3)] == [[], [], []]
