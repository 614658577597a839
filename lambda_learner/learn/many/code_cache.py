"""Where numba keeps machine code: one process compiles for all of a machine, and a wheel's is found again."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final

from numba.core import caching, config  # type: ignore[import-untyped]
from numba.misc.appdirs import AppDirs  # type: ignore[import-untyped]

__all__ = ["compiled_once", "find_code_of_wheels"]

_log = logging.getLogger(__name__)
WHEEL: Final = ".whl/"
COMPILING: Final = "LAMBDA_LEARNER_COMPILING"  # set in a process that is there to compile


class _WheelLocator(caching._UserWideCacheLocator):  # type: ignore[misc]
    """Finds the code of functions in a zipped wheel, which Flink unpacks elsewhere each time, by the wheel's content.

    Numba itself knows files, and archives that end in .zip by their path.
    """

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._stamp, self._lineno = _checksum(_wheel_of(py_file)), py_func.__code__.co_firstlineno
        root = config.CACHE_DIR or AppDirs(appname="numba", appauthor=False).user_cache_dir
        self._cache_path = str(Path(root) / f"lambda_learner_{self._stamp:08x}")

    def get_source_stamp(self) -> int:
        """Say which code it is."""
        return self._stamp

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _WheelLocator | None:
        """Give a locator for a function that is in a wheel and whose code can be kept; else None."""
        if not Path(_wheel_of(py_file)).is_file():
            return None
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator


def find_code_of_wheels() -> None:
    """Have numba keep the code of functions in wheels."""
    if _WheelLocator not in caching.CacheImpl._locator_classes:
        caching.CacheImpl._locator_classes.append(_WheelLocator)


def compiled_once(dispatcher: Any, program: str) -> Callable[..., Any]:
    """A compiled function that is the same machine code in all processes, to the last bit of what it computes.

    Code that was compiled in the process itself computes otherwise: beside it lies that of the functions it calls, and
    those may be taken from there. So `program`, which calls the function, does it in a process of its own, one on this
    machine at a time, and all others load what that has kept.
    """

    @wraps(dispatcher.py_func)
    def call(*arguments: Any) -> Any:
        if not dispatcher.overloads and COMPILING not in os.environ:  # `signatures` takes as long as a small update
            _have_compiled(dispatcher, program)
        return dispatcher(*arguments)

    return call


def _have_compiled(dispatcher: Any, program: str) -> None:
    """Have the code kept, unless it is, or there is no place for it."""
    folder = dispatcher.stats.cache_path
    if folder is None:
        return
    with _locked(Path(folder)):
        if not dispatcher._cache._cache_file._load_index():
            _compile_elsewhere(program)


def _compile_elsewhere(program: str) -> None:
    """Run the program; when that fails this process compiles for itself, and tells."""
    python = shutil.which("python3") or sys.executable  # inside a JVM, where the first is our own, there is no other
    environment = {**os.environ, COMPILING: "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        subprocess.run([python, "-c", program], env=environment, check=True, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        _log.warning("machine code is compiled here, and may differ in last bits from that of others: %r", error)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "compiling.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wheel_of(py_file: str) -> str:
    place = py_file.find(WHEEL)
    return "" if place < 0 else py_file[: place + len(WHEEL) - 1]


@cache
def _checksum(path: str) -> int:
    return zlib.crc32(Path(path).read_bytes())
