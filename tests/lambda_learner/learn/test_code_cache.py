"""Machine code on disk: compiled by one process for all, and found again when a wheel is somewhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the extra `fast` is not installed")

SUMS = """
import os
from numba import njit
from lambda_learner.learn.many.code_cache import compiled_once, find_code_of_wheels

find_code_of_wheels()

@njit(cache=True)
def total(numbers):
    found = 0.0
    for number in numbers:
        found += number
    return found

def add():
    compiled_once(total, "import sums; sums.add()")((1.0, 2.0))
    if total.stats.cache_misses:
        with open(os.environ["COMPILED"], "a") as file:
            print(os.getpid(), file=file)
"""
COMMAND = [sys.executable, "-c", "import os, sums; sums.add(); print(os.getpid())"]


def start(folder: Path, place: Path) -> subprocess.Popen[str]:
    """A process that calls the function; it tells its id."""
    path = os.pathsep.join((str(folder), *filter(None, sys.path)))
    caches = {"XDG_CACHE_HOME": str(place / "cache"), "COMPILED": str(place / "compiled"), "PYTHONPATH": path}
    environment = {**os.environ, **caches, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True)


def end(*processes: subprocess.Popen[str]) -> set[str]:
    """Their ids, when they have ended well."""
    ids = {each.communicate(timeout=120)[0].strip() for each in processes}
    assert [each.returncode for each in processes] == [0] * len(processes)
    return ids


def compiled(place: Path) -> list[str]:
    """The ids of the processes that have compiled."""
    return (place / "compiled").read_text().split()


def test_one_process_compiles_for_all_and_none_that_computes(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SUMS)
    ids = end(*(start(tmp_path, tmp_path) for _ in range(4)))
    assert len(compiled(tmp_path)) == 1
    assert not ids & set(compiled(tmp_path))


def test_the_code_of_a_wheel_is_found_again_wherever_the_wheel_is(tmp_path: Path) -> None:
    for name, source, times in (("one", SUMS, 1), ("two", SUMS, 1), ("other", f"{SUMS}\nOTHER = 1\n", 2)):
        wheel = tmp_path / name / "sums-1.0-py3-none-any.whl"
        wheel.parent.mkdir()
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(zipfile.ZipInfo("sums.py"), source)
        end(start(wheel, tmp_path))
        assert len(compiled(tmp_path)) == times


def test_where_no_process_can_be_started_the_code_is_compiled_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COMPILED", str(tmp_path / "compiled"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "sums.py").write_text(SUMS)
    import_module("sums").add()
    assert compiled(tmp_path) == [str(os.getpid())]
    assert "may differ in last bits" in caplog.text
