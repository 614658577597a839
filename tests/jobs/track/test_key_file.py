from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.track import key_file
from jobs.track.key_file import KeyFile, read_keys, write_keys
from jobs.track.keys import KeyRing, KeysError, parse_keys, render_keys
from tests.jobs.track.conftest import api_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    write_keys(path, KeyRing([api_key("a")]))
    return path


def projects(file: KeyFile) -> list[str]:
    return [key.project for key in file.ring.keys]


def test_a_file_that_is_replaced_is_read_again(path: Path) -> None:
    file = KeyFile(path)
    write_keys(path, KeyRing([api_key("a"), api_key("b", "other")]))
    assert projects(file) == ["shop"]
    file.look()
    assert projects(file) == ["shop", "other"]


def test_a_file_that_is_edited_in_place_is_read_again(path: Path) -> None:
    file = KeyFile(path)
    with path.open("ab") as edited:
        edited.write(render_keys([api_key("b", "other")]))
    file.look()
    assert projects(file) == ["shop", "other"]


def test_a_file_that_has_not_changed_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = KeyFile(path)
    ring = file.ring
    monkeypatch.setattr(key_file, "parse_keys", lambda _: pytest.fail("it was read"))
    file.look()
    assert file.ring is ring


def test_a_file_whose_last_key_is_removed_lets_nobody_in(path: Path) -> None:
    file = KeyFile(path)
    write_keys(path, KeyRing())
    file.look()
    assert file.ring.keys == ()


@pytest.mark.parametrize("breaking", [lambda path: path.unlink(), lambda path: path.write_bytes(b'{"torn')])
def test_a_file_that_cannot_be_used_keeps_the_keys_of_before_and_is_logged_once(
    path: Path, breaking: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    file = KeyFile(path)
    breaking(path)
    for _ in range(3):
        file.look()
    assert projects(file) == ["shop"]
    (record,) = caplog.records
    assert (record.levelno, str(path) in record.getMessage()) == (logging.ERROR, True)
    write_keys(path, KeyRing([api_key("b", "other")]))
    file.look()
    assert projects(file) == ["other"]
    assert caplog.records[-1].getMessage() == f"API keys were read from {path}, now valid: 1"
    breaking(path)
    file.look()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING, logging.ERROR]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no such file: make it by `lambda-learner keys add`"), (b"{", "line 1: ")],
)
def test_a_bad_file_is_told_at_the_start(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "keys.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeysError, match=re.escape(str(path)) + f".*{message}"):
        KeyFile(path)


def test_a_folder_is_no_file_of_keys(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="Is a directory: the file of the API keys must be readable"):
        KeyFile(tmp_path)


def test_a_running_endpoint_looks_at_its_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file, "LOOK_SECONDS", 0.005)
    changed = threading.Event()

    def parse(data: bytes) -> KeyRing:
        changed.set()
        return parse_keys(data)

    with KeyFile(path) as file:
        monkeypatch.setattr(key_file, "parse_keys", parse)
        write_keys(path, KeyRing([api_key("b", "other")]))
        assert changed.wait(30)
    assert projects(file) == ["other"]
    assert not [thread for thread in threading.enumerate() if thread.name == "api-keys"]


def test_a_file_keeps_its_mode_and_nothing_else_is_left(path: Path) -> None:
    path.chmod(0o640)
    before = path.stat().st_ino
    write_keys(path, KeyRing([api_key("b")]))
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_ino != before  # another file, so nobody reads half of one
    assert os.listdir(path.parent) == [path.name]
    assert len(read_keys(path).keys) == 1
