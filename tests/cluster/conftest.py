"""The wheel of this checkout, a Python that has its libraries but not itself, and a cluster of that Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cluster import SessionCluster, make_home
from tests.harness.job import ROOT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "config", "jobs", "lambda_learner", "operators")
# Short runs: without the JVM's second compiler.
QUICK_JVM = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = copied(tmp_path_factory.mktemp("sources"))
    return built(sources, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def next_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of another release, which has the same version but says `next` in what it tells of a publish."""
    sources = copied(tmp_path_factory.mktemp("next-sources"))
    publish = sources / "operators" / "publish.py"
    before = publish.read_text()
    publish.write_text(before.replace('line = {"model": model,', 'line = {"release": "next", "model": model,'))
    assert publish.read_text() != before
    return built(sources, tmp_path_factory.mktemp("next-dist"))


def copied(sources: Path) -> Path:
    """The sources in a folder of their own, as setuptools leaves its folders in what it builds from."""
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, sources / name)
    return sources


def built(sources: Path, dist: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(dist), str(sources)]
    subprocess.run(command, check=True)
    return next(dist.glob("*.whl"))


@pytest.fixture(scope="session")
def libraries_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that imports what this one has installed, except this project: its editable install is a .pth file."""
    folder = tmp_path_factory.mktemp("python") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def cluster(libraries_only: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionCluster]:
    """A JobManager and two TaskManagers of one slot each."""
    home = make_home(tmp_path_factory.mktemp("flink"), libraries_only, jvm_args=QUICK_JVM)
    with SessionCluster(home) as started:
        yield started
