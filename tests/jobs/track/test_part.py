"""A part at each point at which a crash may leave it, and what the next start makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch

import pytest

from jobs.track import part as part_module
from jobs.track.part import Part, final_path, finish, recover
from operators.files import Line, event_files, plan_folder, read_chunk

NOW_MS = 1_795_406_945_123  # 2026-11-23T04:09:05.123Z
NAME = r"2026/11/23/04/events-1-2026-11-23-04-09-05-[0-9a-f-]{36}\.gz"


def visible(folder: Path) -> list[bytes]:
    """The lines that a job reads from a folder."""
    found = [line for chunk in plan_folder(str(folder)) for line in read_chunk(chunk)]
    assert all(isinstance(line, Line) for line in found)
    return [line.data for line in found]


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


def part_of(folder: Path, data: bytes) -> Path:
    part = Part(folder, NOW_MS)
    part.append(data)
    part.close()
    return part.path


def test_a_part_is_invisible_until_it_is_finished(tmp_path: Path) -> None:
    part = part_of(tmp_path, b"a\nb\n")
    assert event_files(str(tmp_path)) == []
    finish(part)
    assert visible(tmp_path) == [b"a", b"b"]
    assert hidden(tmp_path) == []


def test_a_finished_file_has_the_name_of_the_gym_s_firehose(tmp_path: Path) -> None:
    final = finish(part_of(tmp_path, b"a\n"))
    assert final is not None
    assert re.fullmatch(NAME, str(final.relative_to(tmp_path)))


def test_two_parts_of_one_millisecond_have_two_names(tmp_path: Path) -> None:
    assert part_of(tmp_path, b"a\n") != part_of(tmp_path, b"b\n")


def test_only_the_bytes_that_are_durable_become_visible(tmp_path: Path) -> None:
    finish(part_of(tmp_path, b"a\nb\nc\n"), len(b"a\nb\n"))
    assert visible(tmp_path) == [b"a", b"b"]


def test_a_crash_while_lines_were_written_leaves_the_whole_ones(tmp_path: Path) -> None:
    part_of(tmp_path, b'{"whole":1}\n{"to')
    assert len(recover(tmp_path)) == 1
    assert visible(tmp_path) == [b'{"whole":1}']


@pytest.mark.parametrize("data", [b"", b'{"torn'])
def test_a_part_without_a_whole_line_leaves_no_file(tmp_path: Path, data: bytes) -> None:
    part_of(tmp_path, data)
    assert recover(tmp_path) == []
    assert event_files(str(tmp_path)) == hidden(tmp_path) == []


def test_a_crash_while_the_file_was_compressed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    part = part_of(tmp_path, b"a\n")
    part.with_suffix(".packed").write_bytes(b"\x1f\x8b half a file")
    recover(tmp_path)
    assert visible(tmp_path) == [b"a"]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("step", ["write_file", "sync_folder"])
def test_an_error_at_any_step_loses_and_doubles_nothing(tmp_path: Path, step: str) -> None:
    part = part_of(tmp_path, b"a\nb\n")
    with patch.object(part_module, step, side_effect=OSError("disk")), pytest.raises(OSError, match="disk"):
        finish(part)
    assert part.exists()
    recover(tmp_path)
    assert visible(tmp_path) == [b"a", b"b"]
    assert hidden(tmp_path) == []


def test_a_crash_between_the_rename_and_the_removal_gives_no_line_twice(tmp_path: Path) -> None:
    part = part_of(tmp_path, b"a\nb\n")
    content = part.read_bytes()
    final = finish(part)
    part.write_bytes(content + b"c\n")  # a removal that did not happen; what more there is must not replace the file
    assert recover(tmp_path) == [final]
    assert visible(tmp_path) == [b"a", b"b"]
    assert hidden(tmp_path) == []


def test_hidden_files_of_others_are_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / ".events-00000.jsonl.part", tmp_path / ".events-20261123T040905Z.jsonl.part"]
    for path in others:
        path.write_bytes(b"a\n")
    assert recover(tmp_path) == []
    assert sorted(hidden(tmp_path)) == sorted(others)


def test_the_same_part_has_the_same_file_in_every_run(tmp_path: Path) -> None:
    part = part_of(tmp_path, b"a\n")
    assert final_path(part) == final_path(Path(str(part))) == finish(part)


def test_a_failed_append_leaves_the_lines_before_it(tmp_path: Path) -> None:
    part = Part(tmp_path, NOW_MS)
    part.append(b"a\n")
    with patch("lambda_learner.disk.os.fsync", side_effect=OSError("disk")), pytest.raises(OSError, match="disk"):
        part.append(b"b\n")
    part.close()
    assert part.path.read_bytes() == b"a\n"
    assert part.size == 2


def test_a_part_that_cannot_be_begun_leaves_nothing(tmp_path: Path) -> None:
    with patch.object(part_module, "sync_folder", side_effect=OSError("disk")), pytest.raises(OSError, match="disk"):
        Part(tmp_path, NOW_MS)
    assert hidden(tmp_path) == []


def test_every_folder_on_the_way_to_a_file_is_durable_before_its_part_is_removed(tmp_path: Path) -> None:
    part = part_of(tmp_path, b"a\n")
    with patch.object(part_module, "sync_folder", wraps=lambda folder: synced.append((folder, part.exists()))):
        synced: list[tuple[Path, bool]] = []
        final = finish(part)
    assert final is not None
    assert synced == [(folder, True) for folder in list(final.parents)[:5]]
    assert synced[-1][0] == tmp_path
