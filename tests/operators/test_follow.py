from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from operators import files
from operators.files import FileChunk
from operators.follow import LEAST_BYTES, Follow
from operators.quiet import WallClock
from tests.harness.cases import T0_S
from tests.harness.fake_flink import Driven


def write(path: Path, *lines: bytes, second: int = 100) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(path, (T0_S + second, T0_S + second))


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


def test_of_a_backlog_a_tick_hands_on_some_chunks_and_a_restart_goes_on_within_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operators.follow.chunks_of", lambda path: files.chunks_of(path, 4))
    monkeypatch.setattr("operators.follow.BYTES_A_TICK", 3 * LEAST_BYTES)
    write(tmp_path / "a", b"123456789", second=1)
    write(tmp_path / "b", b"12345", second=2)
    follow, given = Driven(Follow(str(tmp_path))), list[list[tuple[str, int]]]()
    for _ in range(4):
        found = [FileChunk(*json.loads(text)) for text in follow.element(0, None)]
        given.append([(Path(chunk.path).name, chunk.start) for chunk in found])
        follow = follow.restored(Follow(str(tmp_path)))
    assert given == [[("a", 0), ("a", 4), ("a", 8)], [("b", 0), ("b", 4)], [], []]


def test_a_file_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    follow = Driven(Follow(str(tmp_path)))
    write(tmp_path / "a", b"1")
    follow.element(0, None)
    (tmp_path / "a").unlink()
    follow.element(0, None)
    assert not any(follow.keyed.maps.values())


def test_a_file_that_goes_while_the_folder_is_listed_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", b"1")
    listed = [tmp_path / "gone", tmp_path / "a"]
    monkeypatch.setattr("operators.follow.event_files", lambda _: listed)
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

    monkeypatch.setattr("operators.follow.event_files", stands_still)
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
