"""The making of an environment, with packages that are none: an empty list of requirements."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.improveai import Environment, EnvironmentNotMade
from tests.harness.job import ROOT

NOTHING = ("-r", "/dev/null")
MAKE = """
import sys
from pathlib import Path
from tests.harness import improveai

made = improveai.Environment(Path(sys.argv[1]), ("-r", sys.argv[2]))
print(made.python(), made.is_made())
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "made", NOTHING)


def inode(environment: Environment) -> int:
    return environment.folder.stat().st_ino


def test_an_environment_is_made_once(environment: Environment) -> None:
    python = environment.python()
    made = inode(environment)
    assert (environment.python(), inode(environment)) == (python, made)
    prefix = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert prefix.stdout.strip() == str(environment.folder)


def test_other_packages_make_it_anew(environment: Environment) -> None:
    environment.python()
    left = environment.folder / "left"
    left.touch()
    Environment(environment.folder, (*NOTHING, *NOTHING)).python()
    assert not left.exists()
    assert not environment.is_made()


def test_one_whose_making_was_cut_short_is_made_anew(environment: Environment) -> None:
    environment.python()
    (environment.folder / ".made").unlink()
    left = environment.folder / "left"
    left.touch()
    environment.python()
    assert environment.is_made()
    assert not left.exists()


def test_processes_that_want_it_at_once_get_the_same(environment: Environment) -> None:
    command = [sys.executable, "-c", MAKE, str(environment.folder), "/dev/null"]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {process.communicate()[0] for process in both}
    assert told == {f"{environment.folder}/bin/python True\n"}


def test_a_killed_process_leaves_the_lock_to_the_pip_that_it_started(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    os.mkfifo(requirements)  # pip waits for somebody to write it
    command = [sys.executable, "-c", MAKE, str(tmp_path / "made"), str(requirements)]
    with subprocess.Popen(command, cwd=ROOT) as maker:
        pip = requirements.open("wb")  # returns when pip reads it
        maker.kill()
    with (tmp_path / "made.lock").open() as lock:
        with pip, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_EX)  # pip has ended


def test_what_cannot_be_made_is_told_in_the_words_of_pip(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "made", ("-r", f"{tmp_path}/missing.txt"))
    with pytest.raises(EnvironmentNotMade, match=r"ended with 1; its last lines:\n.*missing.txt"):
        environment.python()
    assert not environment.is_made()
