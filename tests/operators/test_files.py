from __future__ import annotations

import gzip
import os
import random
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators import files
from operators.files import Damage, FileChunk, Line, chunks_of, event_files, plan_folder, read_chunk

ENDS = st.sampled_from([b"\n", b"\r\n"])
TEXTS = st.binary(max_size=30).map(lambda text: text.translate(None, b"\r\n"))
CONTENTS = st.tuples(st.lists(st.tuples(TEXTS, ENDS)), TEXTS)


def read(chunks: Iterable[FileChunk]) -> list[Line | Damage]:
    return [line for chunk in chunks for line in read_chunk(chunk)]


def lines_of(content: bytes) -> list[Line]:
    """The lines of a content, by the plainest way."""
    found, offset = [], 0
    for line in content.split(b"\n"):
        found.append(Line(offset, line.rstrip(b"\r")))
        offset += len(line) + 1
    return found[:-1] if content.endswith(b"\n") or not content else found


@given(content=CONTENTS, chunk_bytes=st.integers(1, 70), block_bytes=st.integers(1, 9))
def test_chunks_cover_each_line_exactly_once_at_its_offset(
    tmp_path_factory: pytest.TempPathFactory,
    content: tuple[list[tuple[bytes, bytes]], bytes],
    chunk_bytes: int,
    block_bytes: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    data = b"".join(text + end for text, end in content[0]) + content[1]
    path.write_bytes(data)
    with patch.object(files, "BLOCK_BYTES", block_bytes):
        assert read(chunks_of(path, chunk_bytes)) == lines_of(data)


@given(content=CONTENTS, block_bytes=st.integers(1, 9))
def test_a_gz_gives_the_lines_of_its_content(
    tmp_path_factory: pytest.TempPathFactory, content: tuple[list[tuple[bytes, bytes]], bytes], block_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl.gz"
    data = b"".join(text + end for text, end in content[0]) + content[1]
    path.write_bytes(gzip.compress(data[:40]) + gzip.compress(data[40:]) + b"\0" * 5)
    with patch("operators.unpack.BLOCK_BYTES", block_bytes):
        assert read(chunks_of(path)) == lines_of(data)


def test_the_chunks_of_a_file_lie_end_to_end_and_carry_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 25)
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    chunks = chunks_of(path, 10)
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(0, 10), (10, 20), (20, 25)]
    assert {chunk.modified_ms for chunk in chunks} == {1_700_000_000_123}


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_an_empty_file_has_no_chunks(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert chunks_of(tmp_path / name) == []


def test_a_gz_is_one_chunk_however_large(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(bytes(1000))
    assert [(chunk.start, chunk.end) for chunk in chunks_of(path, 10)] == [(0, 1000)]


def _some_lines() -> tuple[bytes, list[Line]]:
    dice = random.Random(5)
    data = b"".join(dice.randbytes(50).hex().encode() + b"\n" for _ in range(3000))
    return data, lines_of(data)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_truncated_gz_gives_all_that_can_be_read_and_then_one_damage(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.gz"
    data, expected = _some_lines()
    packed = gzip.compress(data)
    path.write_bytes(packed[: max(int(len(packed) * share), 1)])
    *lines, damage = read(chunks_of(path))
    assert lines == expected[: len(lines)]
    assert isinstance(damage, Damage)
    assert damage.offset == 101 * len(lines)
    assert damage.data == data[damage.offset : damage.offset + len(damage.data)]
    assert (damage.offset + len(damage.data)) / len(data) == pytest.approx(share, abs=0.02)
    assert "ends before its end-of-stream marker" in damage.problem


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_gz_damaged_within_gives_the_lines_before_the_damage(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.gz"
    data, expected = _some_lines()
    packed = gzip.compress(data)
    at = int(len(packed) * share)
    path.write_bytes(packed[:at] + bytes(200) + packed[at + 200 :])
    *lines, damage = read(chunks_of(path))
    sound = int(0.95 * share * len(expected)) - 1
    assert lines[:sound] == expected[:sound]
    assert isinstance(damage, Damage)
    assert damage.offset == sum(len(line.data) + 1 for line in lines if isinstance(line, Line))


def test_a_gz_whose_checksum_is_wrong_gives_every_line_and_a_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    data, expected = _some_lines()
    packed = bytearray(gzip.compress(data))
    packed[-5] ^= 1
    path.write_bytes(packed)
    *lines, damage = read(chunks_of(path))
    assert lines == expected
    assert damage == Damage(len(data), b"", damage.problem)  # type: ignore[union-attr]


def test_what_only_calls_itself_gz_is_one_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b'{"type":"heartbeat"}\n')
    (damage,) = read(chunks_of(path))
    assert isinstance(damage, Damage)
    assert (damage.offset, damage.data) == (0, b"")


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_without_end_takes_no_more_memory_than_is_kept_of_it(tmp_path: Path, *, packed: bool) -> None:
    path = tmp_path / ("a.gz" if packed else "a")
    data = b"a\n" + b"x" * 5_000_000 + b"\nb\n" + b"y" * 3_000_000
    path.write_bytes(gzip.compress(data) if packed else data)
    with patch.object(files, "MAX_KEPT_BYTES", 1000):
        chunks = chunks_of(path)
        tracemalloc.start()
        lines = read(chunks)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert lines == [
        Line(0, b"a"),
        Line(2, b"x" * 1000),
        Line(5_000_003, b"b"),
        Line(5_000_005, b"y" * 1000),
    ]
    assert peak < 1_000_000


def test_hidden_and_underscored_names_are_not_ready(tmp_path: Path) -> None:
    for name in ("a", ".b", "_c", "d/e", ".f/g", "_h/i", "d/.j"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert {str(path.relative_to(tmp_path)) for path in event_files(str(tmp_path))} == {"a", "d/e"}


def test_only_names_below_the_folder_hide_a_file(tmp_path: Path) -> None:
    folder = tmp_path / ".data" / "_now"
    folder.mkdir(parents=True)
    (folder / "a").touch()
    assert event_files(str(folder)) == [folder / "a"]


def test_files_come_oldest_first_and_of_one_time_by_name(tmp_path: Path) -> None:
    for name, seconds in (("a", 30), ("b", 10), ("d", 20), ("c", 20)):
        (tmp_path / name).write_text("{}\n")
        os.utime(tmp_path / name, (seconds, seconds))
    assert [path.name for path in event_files(str(tmp_path))] == ["b", "c", "d", "a"]
    assert [Path(chunk.path).name for chunk in plan_folder(str(tmp_path))] == ["b", "c", "d", "a"]


def test_a_file_given_by_name_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "_a").touch()
    assert event_files(str(tmp_path / "_a")) == [tmp_path / "_a"]


def test_a_folder_that_is_not_there_holds_no_files(tmp_path: Path) -> None:
    assert event_files(str(tmp_path / "nowhere")) == []
