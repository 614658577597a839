"""Functions that are sent from one process, as by `flink run -pyfs`, and loaded in another that lives on, by turns.

The wheels have the real modules that send and load, and packages of their own for what is sent.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import cloudpickle  # type: ignore[import-untyped]
import pytest

from jobs.sent import own_wheel, sent_with_wheel
from tests.harness.job import ROOT

NAME = "lambda_learner_flink-0.1.0-py3-none-any.whl"
FIRST = """
from importlib.resources import files

def tell():
    return RELEASE

def tell_late():
    from operators.lazily import told
    return told()

def tell_data():
    return (files("operators") / "data.txt").read_text()

RELEASE = "first of {release}"
"""
LAZILY = """
def told():
    return "lazily of {release}"
"""
CLIENT = """
import importlib, sys, cloudpickle
from jobs.sent import own_wheel, sent_with_wheel

module, _, name = sys.argv[1].partition(":")
function = getattr(importlib.import_module(module), name)
with sent_with_wheel(own_wheel()):
    sys.stdout.write(cloudpickle.dumps(function).hex())
"""
# For each job its copy of the wheel comes first in sys.path; the copies of jobs that have ended are removed.
TASK_MANAGER = """
import json, os, sys, cloudpickle

told = []
for job in json.load(sys.stdin):
    for copy in job["ended"]:
        os.unlink(copy)
    sys.path.insert(0, job["copy"])
    try:
        told.append(cloudpickle.loads(bytes.fromhex(job["sent"]))())
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")
print(json.dumps(told))
"""


# Another thread loads the function while this one has imported the packages and not marked them yet.
TWO_THREADS = """
import importlib, json, sys, threading, cloudpickle

job = json.load(sys.stdin)
sys.path.insert(0, job["copy"])
told, import_module = [], importlib.import_module

def load():
    try:
        told.append(cloudpickle.loads(bytes.fromhex(job["sent"]))())
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")

def meanwhile(name):
    importlib.import_module = import_module
    module = import_module(name)
    other.start()
    other.join(0.2)
    return module

other = threading.Thread(target=load)
importlib.import_module = meanwhile
load()
other.join()
print(json.dumps(told))
"""


class Job(NamedTuple):
    """One function, with a copy of its wheel for this job alone; the jobs that have ended before it begins."""

    wheel: Path
    function: str
    ended: tuple[int, ...] = ()
    client: str = CLIENT

    def sent(self) -> str:
        return python(self.client, self.function, path=self.wheel)


def python(program: str, *arguments: str, path: Path | None = None, given: str = "") -> str:
    """What a Python says that finds our packages there alone."""
    environ = {"PYTHONPATH": str(path or "")}
    command = [sys.executable, "-S", "-c", f"import sys; sys.path += {site()!r}\n{program}", *arguments]
    done = subprocess.run(command, env=environ, cwd="/", input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def site() -> list[str]:
    """Where cloudpickle is; the .pth files there, which lead to this project, are not read."""
    return [str(Path(cloudpickle.__file__).parents[1])]


def make_wheel(folder: Path, release: str) -> Path:
    folder.mkdir()
    with ZipFile(folder / NAME, "w") as file:
        for name in ("jobs/__init__.py", "jobs/one_wheel.py", "jobs/sent.py"):
            file.write(ROOT / name, name)
        file.writestr("operators/__init__.py", "")
        file.writestr("operators/first.py", FIRST.replace("{release}", release))
        file.writestr("operators/lazily.py", LAZILY.replace("{release}", release))
        file.writestr("operators/data.txt", f"data of {release}")
    return folder / NAME


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "one", "one")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "two", "two")


def run(folder: Path, *jobs: Job) -> list[str]:
    """What each of the jobs gives, or the error, one after the other in one process."""
    copies = [folder / f"job-{number}" / NAME for number in range(len(jobs))]
    steps = []
    for job, copy in zip(jobs, copies, strict=True):
        copy.parent.mkdir()
        shutil.copy(job.wheel, copy)
        steps.append({"copy": str(copy), "sent": job.sent(), "ended": [str(copies[number]) for number in job.ended]})
    return told(steps)


def told(steps: list[dict[str, Any]]) -> list[str]:
    answers: list[str] = json.loads(python(TASK_MANAGER, given=json.dumps(steps)))
    return answers


LATE, DATA = "operators.first:tell_late", "operators.first:tell_data"


@pytest.mark.parametrize("function", [LATE, DATA, "operators.lazily:told"])
def test_what_is_still_to_be_read_of_the_wheel_is_found_in_the_copy_of_the_job(
    tmp_path: Path, one: Path, function: str
) -> None:
    answers = run(tmp_path, Job(one, "operators.first:tell"), Job(one, function, ended=(0,)))
    assert answers == ["first of one", f"{'data' if function == DATA else 'lazily'} of one"]


def test_two_jobs_of_one_wheel_run_side_by_side(tmp_path: Path, one: Path) -> None:
    assert run(tmp_path, Job(one, DATA), Job(one, LATE)) == ["data of one", "lazily of one"]


def test_functions_that_are_loaded_at_once_wait_for_each_other(one: Path) -> None:
    job = {"copy": str(one), "sent": Job(one, LATE).sent()}
    assert json.loads(python(TWO_THREADS, given=json.dumps(job))) == ["lazily of one"] * 2


def test_the_job_of_another_release_runs_that(tmp_path: Path, one: Path, two: Path) -> None:
    answers = run(
        tmp_path, Job(one, LATE), Job(two, LATE, ended=(0,)), Job(two, DATA, ended=(1,)), Job(one, LATE, (2,))
    )
    assert answers == ["lazily of one", "lazily of two", "data of two", "lazily of one"]


def test_another_release_beside_a_job_that_runs_is_refused(tmp_path: Path, one: Path, two: Path) -> None:
    first, refused, first_again = run(tmp_path, Job(one, LATE), Job(two, LATE), Job(one, DATA))
    assert (first, first_again) == ("lazily of one", "data of one")
    assert refused.startswith("RuntimeError: this TaskManager's Python has `operators")
    assert str(tmp_path / "job-0" / NAME) in refused
    assert refused.endswith("restart the TaskManager")


def test_modules_of_a_release_that_did_not_mark_them_do_not_stay(tmp_path: Path, one: Path, two: Path) -> None:
    before = CLIENT.replace("own_wheel()):", "None):")
    assert run(tmp_path, Job(one, LATE, client=before), Job(two, LATE, ended=(0,))) == [
        "lazily of one",
        "lazily of two",
    ]


def test_where_the_packages_are_installed_they_are_taken(tmp_path: Path, one: Path, two: Path) -> None:
    installed = tmp_path / "installed"
    with ZipFile(two) as file:
        file.extractall(installed)
    assert told([{"copy": str(installed), "sent": Job(one, LATE).sent(), "ended": []}]) == ["lazily of two"]


def test_a_process_whose_packages_are_installed_sends_functions_as_they_are() -> None:
    assert own_wheel() is None
    before = cloudpickle.dumps
    with sent_with_wheel(own_wheel()):
        assert cloudpickle.dumps is before


def test_functions_that_are_pickled_afterwards_are_as_they_are(one: Path) -> None:
    before = cloudpickle.dumps
    with sent_with_wheel(str(one)):
        assert b"function_of" in cloudpickle.dumps(len)
    assert cloudpickle.dumps is before
    assert b"one_wheel" not in cloudpickle.dumps(sent_with_wheel)
