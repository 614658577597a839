"""What a TaskManager runs before it loads a function of the job: its Python then has our packages of the job's wheel.

In thread mode Python lives in the TaskManager's JVM and goes on from job to job, with the modules that it has. The copy
of the wheel that these came from goes with its job, and at each restart of a job: what they have yet to import would
not be found. And those of another release would run in place of the job's own.

It is sent along by value with each function (`jobs/sent.py`): nothing that is ours may be imported here.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import pkgutil
import sys
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

__all__ = ["checksum_of", "function_of", "take_wheel"]

PACKAGES: Final = ("config", "jobs", "lambda_learner", "operators")
MARKED: Final = "operators"  # has the checksum of the wheel that all modules of the packages are from
MARK: Final = "__wheel__"
LOCK: Final = "__lambda_learner_wheel__"  # in `sys`, as each function brings a module of its own like this one


def function_of(checksum: str, pickled: bytes) -> Any:
    """The function, of the wheel with this checksum. Threads that load several take turns."""
    with vars(sys).setdefault(LOCK, threading.RLock()):
        take_wheel(checksum)
    return pickle.loads(pickled)  # noqa: S301 - a part of the job


def take_wheel(checksum: str) -> None:
    """Have this interpreter import our packages from the wheel with this checksum in `sys.path`, now and later.

    Modules of the same code stay, those of other code go; RuntimeError where that is still in use. Without such a wheel
    nothing changes: the packages are installed here. Idempotent, and quick where nothing is to be done.
    """
    wheel = next((path for path in dict.fromkeys(sys.path) if _is_wheel(path) and checksum_of(path) == checksum), None)
    if wheel is None:
        return
    held = {name: each for name, each in list(sys.modules.items()) if name.partition(".")[0] in PACKAGES}
    if getattr(held.get(MARKED), MARK, None) == checksum:
        for module in held.values():
            _move(module, wheel)
    else:
        _refuse_used(held)
        for name in held:
            del sys.modules[name]
    _search_first(wheel)
    setattr(importlib.import_module(MARKED), MARK, checksum)


def checksum_of(wheel: str) -> str:
    """SHA-256 of a file."""
    with open(wheel, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_wheel(path: str) -> bool:
    return path.endswith(".whl") and os.path.isfile(path)


def _refuse_used(held: Mapping[str, ModuleType]) -> None:
    """RuntimeError where the file of a module, or the wheel that it is in, is there: another job may run it."""
    for name, module in held.items():
        origin = _archive_of(module) or getattr(module, "__file__", None) or ""
        if os.path.exists(origin):
            message = (
                f"this TaskManager's Python has `{name}` of {origin}, which is not the code of the job's wheel, and "
                "cannot run both: stop the job that it is of, or restart the TaskManager"
            )
            raise RuntimeError(message)


def _move(module: ModuleType, wheel: str) -> None:
    """Have a module find its submodules and data in a wheel of the same content as the one that it came from."""
    spec, old = module.__spec__, _archive_of(module)
    if spec is None or old is None or old == wheel:
        return
    if spec.submodule_search_locations is not None:  # also the module's __path__
        spec.submodule_search_locations[:] = [f"{wheel}{each.removeprefix(old)}" for each in module.__path__]
    loader: Any = pkgutil.get_importer(os.path.join(wheel, getattr(spec.loader, "prefix", "")).rstrip(os.sep))
    spec.loader = module.__loader__ = loader
    spec.origin = module.__file__ = f"{wheel}{str(module.__file__).removeprefix(old)}"


def _archive_of(module: ModuleType) -> str | None:
    return getattr(module.__spec__ and module.__spec__.loader, "archive", None)


def _search_first(wheel: str) -> None:
    """Put the wheel at the head of `sys.path`, and forget wheels that are gone: their lists of files are still kept."""
    gone = {path for path in sys.path if path.endswith(".whl") and not os.path.isfile(path)}
    for path in [path for path in sys.path if path in gone]:
        sys.path.remove(path)  # one by one: other threads add to it
    for path in list(sys.path_importer_cache):
        if path.startswith(tuple(gone)):
            sys.path_importer_cache.pop(path, None)
    if sys.path[:1] != [wheel]:
        sys.path.insert(0, wheel)
