from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_learner.policy import Policies
from operators.files import FileChunk, plan_folder
from operators.parse import Parser
from operators.prefetch import ParsingProcess, UnreadableFile
from operators.reading import Reading, ReadSettings, Texts
from operators.rows import FIELD, ROW
from tests.harness.cases import POLICY, T0_S, decision_line, joined

SETTINGS = ReadSettings(Parser(Policies({}, POLICY), max_message_bytes=10_000, max_clock_skew_ms=900_000))
LEFT_ALONE = """
import os, signal, sys
from operators.prefetch import ParsingProcess
from tests.operators.test_prefetch import SETTINGS
parsing = ParsingProcess(SETTINGS)
print(parsing._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def write(path: Path, *lines: bytes, second: int = 100) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    os.utime(path, (T0_S + second, T0_S + second))


def chunk_of(path: Path) -> FileChunk:
    (chunk,) = plan_folder(str(path))
    return chunk


@pytest.fixture
def parsing() -> Iterator[ParsingProcess]:
    process = ParsingProcess(SETTINGS)
    yield process
    process.close()


def test_a_chunk_of_very_many_lines_gives_several_texts(tmp_path: Path) -> None:
    write(tmp_path / "a", *(decision_line(1, number) for number in range(7)))
    (whole,) = Reading(SETTINGS).texts(chunk_of(tmp_path))
    texts = list(Reading(SETTINGS).texts(chunk_of(tmp_path), 3))
    assert ROW.join(each.rows for each in texts) == whole.rows
    assert len(texts) == 3


def test_a_line_without_a_time_of_arrival_arrived_when_its_file_was_written(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(100 + 900, 1), decision_line(100 + 901, 2))
    (texts,) = Reading(SETTINGS).texts(chunk_of(tmp_path))
    assert int(texts.rows.split(FIELD)[1]) == (T0_S + 100) * 1000
    (letter,) = texts.dead_letters
    assert json.loads(letter)["reason"] == "clock_ahead"


def test_a_file_from_the_future_has_arrived_by_now(tmp_path: Path) -> None:
    write(tmp_path / "a", decision_line(4_000_000_000 - T0_S), second=4_000_000_000 - T0_S)
    (texts,) = Reading(SETTINGS).texts(chunk_of(tmp_path))
    (letter,) = texts.dead_letters
    assert json.loads(letter)["reason"] == "clock_ahead"


def test_all_chunks_of_a_plan_together_give_every_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, *(decision_line(number, number) for number in range(50)))
    texts = [texts.rows for chunk in plan_folder(str(tmp_path)) for texts in Reading(SETTINGS).texts(chunk)]
    assert sum(len(window.split(ROW)) for window in joined(ROW.join(texts).split(ROW)).values()) == 50


def test_the_process_gives_what_parsing_here_gives(tmp_path: Path, parsing: ParsingProcess) -> None:
    write(tmp_path / "a", decision_line(1), b"{")
    chunk = chunk_of(tmp_path)
    for _ in range(2):
        assert list(parsing.texts(chunk)) == list(Reading(SETTINGS).texts(chunk))


def test_texts_larger_than_the_pipe_come_whole(tmp_path: Path, parsing: ParsingProcess) -> None:
    long = [decision_line(number, number, item={"a": "x" * 2_000}) for number in range(300)]
    write(tmp_path / "a", *long)
    write(tmp_path / "b", *long[:200])
    first, second, *_ = plan_folder(str(tmp_path))
    assert list(parsing.texts(first, [second])) == list(Reading(SETTINGS).texts(first))
    assert list(parsing.texts(second)) == list(Reading(SETTINGS).texts(second))


def test_a_file_that_is_gone_is_an_error_of_the_reader_and_not_the_end(tmp_path: Path, parsing: ParsingProcess) -> None:
    write(tmp_path / "a", decision_line(1))
    chunk = chunk_of(tmp_path)
    with pytest.raises(UnreadableFile, match="cannot be read: .*missing"):
        list(parsing.texts(chunk._replace(path=str(tmp_path / "missing"))))


def test_a_process_that_is_killed_is_an_error_that_says_so(tmp_path: Path, parsing: ParsingProcess) -> None:
    write(tmp_path / "a", decision_line(1))
    pid = parsing._process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exit code -9"):
        list(parsing.texts(chunk_of(tmp_path)))


def test_the_process_ends_with_its_reader_however_that_ends() -> None:
    reader = subprocess.run([sys.executable, "-c", LEFT_ALONE], stdout=subprocess.PIPE, check=False)
    assert reader.returncode == -signal.SIGKILL
    until = time.monotonic() + 20
    while Path(f"/proc/{int(reader.stdout)}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{int(reader.stdout)}").exists()


def test_an_error_leaves_the_process_in_order(tmp_path: Path, parsing: ParsingProcess) -> None:
    write(tmp_path / "a", decision_line(1))
    chunk = chunk_of(tmp_path)
    with pytest.raises(UnreadableFile):
        list(parsing.texts(chunk._replace(path="missing"), [chunk]))
    expected: list[Texts] = list(Reading(SETTINGS).texts(chunk))
    assert list(parsing.texts(chunk)) == expected
