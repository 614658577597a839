"""The jars of the broker: resolved once by Maven from the pom beside this file, then kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from deploy.services.process import ServiceError, cache_folder, run

__all__ = ["class_path"]

_POM: Final = Path(__file__).with_name("pom.xml")
_INSTALL: Final = "Kafka's jars come by Maven, and there is no mvn on PATH (Debian, Ubuntu: apt-get install maven)"


def class_path(cache: Path | None = None) -> str:
    """Java's class path of the broker; resolves some 90 jars of 55 MB the first time. Raises ServiceError."""
    version = hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    jars = (cache or cache_folder()) / f"kafka-{version}"
    if not jars.exists():
        _resolve(jars)
    return f"{jars}/*"


def _resolve(jars: Path) -> None:
    """Into a folder of its own first, so that the final one is whole, and two may resolve at once."""
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceError(_INSTALL)
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as folder:
        shutil.copy(_POM, folder)
        output = Path(folder) / "jars"
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={output}"]
        run([maven, "-B", "-q", "dependency:copy-dependencies", *options], Path(folder), "Kafka's jars")
        if not jars.exists():
            os.rename(output, jars)
