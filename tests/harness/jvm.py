"""How the JVMs of short test jobs start: with one compiler, a small heap, and classes that need no loading.

A fifth of what a short job costs is loading classes. `begin` has a small job write them down while other tests run;
jobs that start later share them, which changes nothing but the time.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import pyflink.version

from jobs.java import find_java

__all__ = ["begin", "jvm_args"]

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120
# The second compiler would take a quarter of a short run's CPU.
QUICK = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xms512m"
QUIET = "-Xlog:cds=off -Xlog:cds+dynamic=off -Xlog:class+path=off"
EVENT = '{"message_id":"2aKVgdrCWo36wQg1BVwxBzeHmOy","model":"m","count":1,"item":1,"received_at":1704067200000}\n'


def jvm_args() -> str:
    """The arguments of a JVM that starts now."""
    archive = _archive()
    return f"{QUICK} -XX:SharedArchiveFile={archive} {QUIET}" if archive.is_file() else QUICK


def begin() -> None:
    """Have the classes written down, unless they are or another process does it; nobody waits for it."""
    archive = _archive()
    claim = archive.with_suffix(".claimed")
    if archive.is_file():
        return
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        return
    folder = Path(tempfile.mkdtemp(prefix="jvm-"))
    (folder / "events.jsonl").write_text(EVENT)
    (folder / "config.yaml").write_text(
        f"stream: {{source: {{path: {folder}/events.jsonl}}, state: {folder}/state, checkpoint_interval: 1 s}}\n"
        f"bucket: {{models: 'file:{folder}/models', train: 'file:{folder}/train'}}\n"
    )
    hidden = folder / "classes.jsa"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.harness.jvm", str(folder / "config.yaml"), str(hidden), str(archive)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    atexit.register(_end, process, folder, claim)


def _end(process: subprocess.Popen[bytes], folder: Path, claim: Path) -> None:
    process.terminate()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)
    claim.unlink(missing_ok=True)


@cache
def _archive() -> Path:
    """Where the classes are: of one Java and one Flink."""
    key = hashlib.sha256(f"{find_java()} {pyflink.version.__version__} {sys.prefix}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lambda-learner-flink-{key}.jsa"


def _write(config: str, hidden: str, archive: str) -> None:
    """Run a job whose JVM writes its classes down at its end; they appear in one piece."""
    environment = os.environ | {"JVM_ARGS": f"{QUICK} -XX:ArchiveClassesAtExit={hidden}"}
    command = [sys.executable, "-m", "jobs.cli", "run", "--config", config, "--no-progress"]
    subprocess.run(command, env=environment, check=True)
    _until_written(Path(hidden))
    Path(hidden).replace(archive)


def _until_written(path: Path) -> None:
    """The JVM writes when its Python has ended, for some seconds."""
    size = -1
    for _ in range(PATIENCE_SECONDS):
        before, size = size, path.stat().st_size if path.is_file() else -1
        if size == before > 0:
            return
        time.sleep(1)
    message = f"no {path} in {PATIENCE_SECONDS} s"
    raise TimeoutError(message)


if __name__ == "__main__":
    _write(*sys.argv[1:])
