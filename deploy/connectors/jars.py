"""The connectors for tests: resolved once by Maven from the pom beside this file, then kept outside the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.services.maven import resolved

__all__ = ["POM", "connectors_folder"]

POM: Final = Path(__file__).with_name("pom.xml")


def connectors_folder(cache: Path | None = None) -> Path:
    """The folder of the jars, as `stream.connectors` names it; resolves 42 MB the first time. Raises ServiceError."""
    return resolved(POM, "connectors", "Flink's connectors", _copied, cache=cache) / "lib"


def _copied(folder: Path) -> list[str]:
    return ["dependency:copy", f"-Dconnectors.folder={folder}"]
