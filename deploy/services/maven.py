"""What Maven resolves of a pom: once, then kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.services.process import ServiceError, cache_folder, run

__all__ = ["resolved"]


def resolved(
    pom: Path, name: str, what: str, goal: Callable[[Path], Sequence[str]], *, cache: Path | None = None
) -> Path:
    """The folder `name` of what the goal, given a folder, puts there; one for each content of the pom.

    `what` is for messages. ServiceError without Maven, or when it fails.
    """
    folder = (cache or cache_folder()) / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        _resolve(pom, folder, what, goal)
    return folder


def _resolve(pom: Path, folder: Path, what: str, goal: Callable[[Path], Sequence[str]]) -> None:
    """Into a folder of its own first, so that the final one is whole, and two may resolve at once."""
    maven = shutil.which("mvn")
    if maven is None:
        message = f"{what} come by Maven, and there is no mvn on PATH (Debian, Ubuntu: apt-get install maven)"
        raise ServiceError(message)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        shutil.copy(pom, temporary)
        output = Path(temporary) / "resolved"
        run([maven, "-B", "-q", *goal(output)], Path(temporary), what)
        if not folder.exists():
            os.rename(output, folder)
