"""Where the Python inside Flink's JVM (thread mode) finds its standard library, the packages and our own."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, MutableMapping
from pathlib import Path

__all__ = ["package_folders", "put_first", "use_this_python"]

OUR_FOLDER = Path(__file__).resolve().parent.parent  # holds `jobs`: a checkout, or site-packages if installed


def package_folders() -> tuple[str, ...]:
    """The folders to import from: site-packages of this interpreter, and the one that holds our packages.

    Pemja starts its interpreter without the virtual environment, so it does not find even itself ("No module
    named 'pemja'"), and it reads no .pth files, so site-packages alone does not lead to an editable install.
    """
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys([paths["purelib"], paths["platlib"], str(OUR_FOLDER)]))


def use_this_python(environ: MutableMapping[str, str]) -> None:
    """Puts those folders first in PYTHONPATH, and this interpreter's own folder first in PATH. Idempotent.

    PATH matters because an embedded Python takes the standard library of the first `python3` there: another
    3.11 than ours, and the job ends in "No module named '_struct'".
    """
    put_first(environ, "PYTHONPATH", package_folders())
    put_first(environ, "PATH", [str(Path(sys.executable).parent)])


def put_first(environ: MutableMapping[str, str], variable: str, folders: Iterable[str]) -> None:
    """Puts folders at the head of a search path; the others follow in their order, each once."""
    before = [folder for folder in environ.get(variable, "").split(os.pathsep) if folder]
    environ[variable] = os.pathsep.join(dict.fromkeys([*folders, *before]))
