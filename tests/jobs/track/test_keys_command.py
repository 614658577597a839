from __future__ import annotations

import json
import os
import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs import cli
from jobs.track import keys_command
from jobs.track.key_file import editing, read_keys
from jobs.track.keys import sha256_of
from tests.jobs.track.conftest import NOW_MS

SHOWN = re.compile(r"ll_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_command, "wall_clock_ms", lambda: NOW_MS)


def ended(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as raised:
        cli.main(["keys", *map(str, arguments)])
    assert isinstance(raised.value.code, int)
    return raised.value.code


def added(capsys: pytest.CaptureFixture[str], file: Path, *arguments: object) -> str:
    """The key that is shown."""
    assert ended("add", "--file", file, "--project", "shop", *arguments) == 0
    out = capsys.readouterr().out
    assert SHOWN.fullmatch(out)
    return out.strip()


def test_a_new_key_is_shown_alone_on_stdout_and_its_hash_alone_is_kept(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = added(capsys, file)
    assert json.loads(file.read_bytes()) == {
        "project": "shop",
        "sha256": sha256_of(key.encode()),
        "created_at": "2026-11-23T03:53:53Z",
    }
    assert key not in file.read_text()
    assert os.listdir(file.parent) == [file.name]


def test_a_key_is_added_to_those_there_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = added(capsys, file), added(capsys, file, "--rate", 2.5, "--burst", 7, "--expires", "90 days")
    ring = read_keys(file)
    assert [ring.find(key.encode()) for key in (first, second)] == list(ring.keys)
    assert ring.keys[0].limit is None
    assert ring.keys[1].limit == (2.5, 7)
    assert ring.keys[1].expires_at == datetime(2027, 2, 21, 3, 53, 53, tzinfo=UTC)


def test_keys_are_listed_by_id_without_their_hash(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [added(capsys, file), added(capsys, file, "--rate", 5, "--expires", "1 day")]
    assert ended("list", "--file", file) == 0
    ids = [sha256_of(key.encode())[:12] for key in keys]
    assert capsys.readouterr().out.splitlines() == [
        f"{ids[0]}\tshop\tno limit\tsince 2026-11-23T03:53:53Z\tfor ever",
        f"{ids[1]}\tshop\t5/s, 5 at once\tsince 2026-11-23T03:53:53Z\tuntil 2026-11-24T03:53:53Z",
    ]


def test_a_key_is_removed_by_its_id_and_the_others_stay(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = added(capsys, file), added(capsys, file)
    assert ended("remove", sha256_of(first.encode())[:12], "--file", file) == 0
    ring = read_keys(file)
    assert (ring.find(first.encode()), len(ring.keys)) == (None, 1)
    assert ended("remove", sha256_of(second.encode())[:12], "--file", file) == 0
    assert read_keys(file).keys == ()


def test_a_key_that_is_not_there_cannot_be_removed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added(capsys, file)
    before = file.read_bytes()
    assert ended("remove", "0123456789ab", "--file", file) == 2
    assert "there is no key '0123456789ab': `lambda-learner keys list` shows" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--project", "a b"], "--project"),
        (["--project", "shop", "--rate", "0"], "--rate"),
        (["--project", "shop", "--rate", "nan"], "--rate"),
        (["--project", "shop", "--rate", "1", "--burst", "0"], "--burst"),
        (["--project", "shop", "--burst", "5"], "give --rate too"),
        (["--project", "shop", "--expires", "soon"], "must be a duration such as"),
        (["--project", "shop", "--expires", "0 s"], "must be more than nothing"),
        ([], "--project"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_name_of_its_option(
    file: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("add", "--file", file, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert not file.exists()


@pytest.mark.parametrize("command", [["list"], ["remove", "0123456789ab"], ["add", "--project", "shop"]])
def test_a_file_that_makes_no_sense_is_told_and_stays(
    file: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("ll_some-key\n")
    assert ended(*command, "--file", file) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"lambda-learner: {file}, line 1: ")
    assert "some-key" not in err
    assert file.read_text() == "ll_some-key\n"


def test_a_file_that_is_not_there_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("list", "--file", file) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("add", "--project", "shop", "--file", tmp_path / "none" / "keys.jsonl") == 2
    assert "the folder of the file must be there" in capsys.readouterr().err


def test_two_who_edit_at_once_lose_no_key(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def add() -> None:
        keys_command.add(file, "shop")

    with editing(file):
        threads = [threading.Thread(target=add) for _ in range(5)]
        for thread in threads:
            thread.start()
        assert not file.exists()
    for thread in threads:
        thread.join()
    assert len(read_keys(file).keys) == 5
    assert len(SHOWN.findall(capsys.readouterr().out)) == 5


@pytest.mark.parametrize("command", [[], ["add"], ["list"], ["remove"]])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(*command, "--help") == 0
    assert "Usage" in capsys.readouterr().out
