from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from jobs.track.event_folder import EventFolder, Rotation, TrackError
from jobs.track.part import Part
from operators.files import Line, event_files, plan_folder, read_chunk

NOW_MS = 1_795_406_945_000
ROTATION = Rotation(after_ms=2_000, at_bytes=1_000)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[EventFolder]:
    opened = EventFolder(tmp_path, ROTATION)
    opened.open(NOW_MS)
    yield opened
    opened.close(NOW_MS + 60_000)


def beat(ms: int) -> bytes:
    return b'{"type":"heartbeat","time":%d}' % ms


def visible(folder: Path) -> list[list[bytes]]:
    """The lines of each file that a job reads, oldest first."""
    found = []
    for chunk in plan_folder(str(folder)):
        lines = list(read_chunk(chunk))
        assert all(isinstance(line, Line) for line in lines)
        found.append([line.data for line in lines])
    return found


def test_a_file_appears_when_it_has_been_open_long_enough(folder: EventFolder, tmp_path: Path) -> None:
    folder.write(b"a\nb\n", NOW_MS + 10)
    folder.beat(NOW_MS + 999)
    assert visible(tmp_path) == []
    folder.beat(NOW_MS + 2_000)
    assert visible(tmp_path) == [[b"a", b"b", beat(NOW_MS + 2_000)]]


def test_an_open_file_has_a_heartbeat_a_second_and_one_as_its_last_line(folder: EventFolder, tmp_path: Path) -> None:
    for ms in (NOW_MS + 500, NOW_MS + 1_000, NOW_MS + 1_500, NOW_MS + 2_000):
        folder.beat(ms)
    assert visible(tmp_path) == [[beat(NOW_MS + 1_000), beat(NOW_MS + 2_000)]]


def test_a_quiet_stream_has_heartbeats_too(folder: EventFolder, tmp_path: Path) -> None:
    folder.beat(NOW_MS + 2_000)
    folder.beat(NOW_MS + 4_000)
    assert visible(tmp_path) == [[beat(NOW_MS + 2_000)], [beat(NOW_MS + 4_000)]]


def test_a_file_that_has_grown_large_appears_before_its_time(folder: EventFolder, tmp_path: Path) -> None:
    folder.write(b"a" * 999 + b"\n", NOW_MS + 1)
    folder.beat(NOW_MS + 1)
    folder.write(b"b\n", NOW_MS + 2)
    assert visible(tmp_path) == [[b"a" * 999, beat(NOW_MS + 1)]]


def test_a_clock_that_is_set_back_completes_the_file(folder: EventFolder, tmp_path: Path) -> None:
    folder.write(b"a\n", NOW_MS)
    folder.beat(NOW_MS - 3_600_000)
    assert visible(tmp_path) == [[b"a", beat(NOW_MS - 3_600_000)]]


@pytest.mark.parametrize(("age_ms", "wait_ms"), [(0, 1_000), (400, 600), (1_000, 0), (-10_000, 1_000)])
def test_the_wait_ends_when_something_is_due(folder: EventFolder, age_ms: int, wait_ms: int) -> None:
    assert folder.wait_ms(NOW_MS + age_ms) == wait_ms


def test_all_lines_are_visible_when_it_is_closed(tmp_path: Path) -> None:
    folder = EventFolder(tmp_path, ROTATION)
    folder.open(NOW_MS)
    folder.write(b"a\n", NOW_MS)
    folder.close(NOW_MS + 5)
    assert visible(tmp_path) == [[b"a", beat(NOW_MS + 5)]]


def test_lines_that_the_disk_refused_are_not_visible_and_the_next_ones_are(folder: EventFolder, tmp_path: Path) -> None:
    folder.write(b"a\n", NOW_MS)
    with patch("lambda_learner.disk.os.fsync", side_effect=OSError("disk")), pytest.raises(OSError, match="disk"):
        folder.write(b"b\n", NOW_MS)
    folder.write(b"c\n", NOW_MS + 10)
    folder.beat(NOW_MS + 2_010)
    assert sorted(visible(tmp_path)) == [[b"a"], [b"c", beat(NOW_MS + 2_010)]]


def test_a_disk_that_goes_on_failing_leaves_no_heap_of_parts(folder: EventFolder, tmp_path: Path) -> None:
    folder.write(b"a\n", NOW_MS)
    for _ in range(5):
        with patch("jobs.track.part.write_all", side_effect=OSError("full")), pytest.raises(OSError, match="full"):
            folder.write(b"b\n", NOW_MS)
        folder.beat(NOW_MS)
    assert visible(tmp_path) == [[b"a"]]
    assert len(list(tmp_path.glob(".events-*.part"))) == 1


def test_a_file_that_could_not_be_finished_is_finished_later(folder: EventFolder, tmp_path: Path) -> None:
    folder.write(b"a\n", NOW_MS)
    with patch("jobs.track.part.write_file", side_effect=OSError("full")), pytest.raises(OSError, match="full"):
        folder.beat(NOW_MS + 2_000)
    assert visible(tmp_path) == []
    assert folder.wait_ms(NOW_MS + 2_000) == 1_000
    folder.beat(NOW_MS + 2_500)
    assert visible(tmp_path) == [[b"a", beat(NOW_MS + 2_000)]]


def test_what_a_crash_has_left_is_visible_once_it_is_open(tmp_path: Path) -> None:
    left = Part(tmp_path, NOW_MS - 100_000)
    left.append(b'{"a":1}\n{"torn')
    left.close()
    folder = EventFolder(tmp_path, ROTATION)
    assert folder.open(NOW_MS) == event_files(str(tmp_path))
    assert visible(tmp_path) == [[b'{"a":1}']]
    folder.close(NOW_MS)


def test_a_second_writer_is_refused_by_name_of_the_folder(folder: EventFolder, tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="another track endpoint writes to .*: stop it, or give `track.sink.folder`"):
        EventFolder(tmp_path, ROTATION).open(NOW_MS)


def test_the_folder_is_free_again_when_its_writer_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; from jobs.track.event_folder import EventFolder, Rotation\n"
        f"folder = EventFolder(pathlib.Path({json.dumps(str(tmp_path))}), Rotation())\n"
        f"folder.open({NOW_MS}); folder.write(b'a\\n', {NOW_MS}); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    folder = EventFolder(tmp_path, ROTATION)
    assert len(folder.open(NOW_MS)) == 1
    folder.close(NOW_MS)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrackError, match="cannot write event files to .*file/events"):
        EventFolder(tmp_path / "file" / "events", ROTATION).open(NOW_MS)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    folder = EventFolder(tmp_path / "a" / "b", ROTATION)
    folder.open(NOW_MS)
    folder.close(NOW_MS)
    assert visible(tmp_path) == [[beat(NOW_MS)]]
