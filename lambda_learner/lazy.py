"""Public names of a package that are loaded when they are first asked for, with the modules that make them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(package: str, names: Collection[str], modules: Sequence[str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: a name is looked for in its modules in order, so the quickest to load go first.

    Each module says in its `__all__` what it makes. A name that was found is kept.
    """

    def load(name: str) -> Any:
        if name in names:
            for path in modules:
                module = import_module(f"{package}.{path}")
                if name in module.__all__:
                    return vars(sys.modules[package]).setdefault(name, getattr(module, name))
        message = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(message)

    return load
