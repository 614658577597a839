"""Machine code on disk: compiled by one process of several, and found again when a wheel is somewhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the extra `fast` is not installed")

SUMS = """
from numba import njit
from lambda_learner.learn.many.code_cache import compiled_once, find_code_of_wheels

find_code_of_wheels()

@njit(cache=True)
def total(numbers):
    found = 0.0
    for number in numbers:
        found += number
    return found

def misses():
    compiled_once(total)((1.0, 2.0))
    return sum(total.stats.cache_misses.values())
"""
COMMAND = [sys.executable, "-c", "import sums; print(sums.misses())"]


def start(folder: Path, cache: Path) -> subprocess.Popen[str]:
    """A process that calls the function; it prints how many times it compiled it."""
    path = os.pathsep.join((str(folder), *filter(None, sys.path)))
    environment = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True)


def compiled(*processes: subprocess.Popen[str]) -> list[str]:
    return [each.communicate(timeout=120)[0].strip() for each in processes]


def test_one_of_several_processes_compiles(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SUMS)
    found = compiled(*(start(tmp_path, tmp_path / "cache") for _ in range(4)))
    assert sorted(found) == ["0", "0", "0", "1"]


def test_the_code_of_a_wheel_is_found_again_wherever_the_wheel_is(tmp_path: Path) -> None:
    found = []
    for name, source in (("one", SUMS), ("two", SUMS), ("other", f"{SUMS}\nOTHER = 1\n")):
        wheel = tmp_path / name / "sums-1.0-py3-none-any.whl"
        wheel.parent.mkdir()
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(zipfile.ZipInfo("sums.py"), source)
        found += compiled(start(wheel, tmp_path / "cache"))
    assert found == ["1", "0", "1"]
