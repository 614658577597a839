"""The jars of the broker: resolved once by Maven from the pom beside this file, then kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.services.maven import resolved

__all__ = ["class_path"]

_POM: Final = Path(__file__).with_name("pom.xml")


def class_path(cache: Path | None = None) -> str:
    """Java's class path of the broker; resolves some 50 jars the first time. Raises ServiceError."""
    jars = resolved(_POM, "kafka", "Kafka's jars", _copied, cache=cache)
    return f"{jars}/*"


def _copied(folder: Path) -> list[str]:
    return ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
