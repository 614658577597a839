"""The connectors for tests: resolved once by Maven from the pom beside this file, then kept outside the checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from deploy.services.process import ServiceError, cache_folder, run

__all__ = ["POM", "connectors_folder"]

POM: Final = Path(__file__).with_name("pom.xml")
_INSTALL: Final = (
    "Flink's connectors come by Maven, and there is no mvn on PATH (Debian, Ubuntu: apt-get install maven)"
)


def connectors_folder(cache: Path | None = None) -> Path:
    """The folder of the jars, as `stream.connectors` names it; resolves 42 MB the first time. Raises ServiceError."""
    version = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    folder = (cache or cache_folder()) / f"connectors-{version}"
    if not folder.exists():
        _resolve(folder)
    return folder / "lib"


def _resolve(folder: Path) -> None:
    """Into a folder of its own first, so that the final one is whole, and two may resolve at once."""
    maven = shutil.which("mvn")
    if maven is None:
        raise ServiceError(_INSTALL)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        output = Path(temporary) / "connectors"
        command = [maven, "-B", "-q", "-f", str(POM), "dependency:copy", f"-Dconnectors.folder={output}"]
        run(command, Path(temporary), "Flink's connectors")
        if not folder.exists():
            os.rename(output, folder)
