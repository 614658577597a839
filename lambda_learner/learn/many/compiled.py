"""Compiles a function of numbers and arrays where numba is installed; without it the function stays as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

# Numba looks `print` up in its module, and a worker process of PyFlink has put another there, which is not found so.
vars(sys.modules[print.__module__]).setdefault(print.__name__, print)

try:
    from numba import njit  # type: ignore[import-untyped]
except ImportError:  # the extra `fast` brings it
    njit = None
else:
    from lambda_learner.learn.many.code_cache import compiled_once, find_code_of_wheels

    find_code_of_wheels()

__all__ = ["IS_COMPILED", "compiled", "entry_point"]

IS_COMPILED: Final = njit is not None
_F = TypeVar("_F")

# Sums may be added up in another order, four numbers at a time; NaN and inf keep their meaning.
FAST_SUMS: Final = {"reassoc", "contract", "nsz"}


def compiled(function: _F) -> _F:
    """The function as machine code, kept on disk where it can be; it runs without the GIL and checks no bounds."""
    if njit is None:
        return function
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": FAST_SUMS}
    try:
        machine_code: _F = njit(**options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        machine_code = njit(**options | {"cache": False})(function)
    return machine_code


def entry_point(program: str) -> Callable[[_F], _F]:
    """A function as `compiled` gives it, for Python to call; the program calls it (see `compiled_once`)."""
    if njit is None:
        return lambda function: function
    return lambda function: compiled_once(compiled(function), program)  # type: ignore[return-value]
