"""kinesis-local, or else moto: what each needs to start, on loopback and with nothing kept.

Moto serves all but the tests that split a shard: it goes on putting records into the closed one.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.services.process import Process, ServiceError, cache_folder, listens, run
from jobs.ports import free_ports

__all__ = ["KinesisServer"]

VERSION: Final = "0.6.2"
_HERE: Final = Path(__file__).parent
_INSTALL: Final = "Kinesis needs Node with npm (for kinesis-local) or moto: pip install 'moto[server]'"


class KinesisServer:
    """A server whose streams are in memory. Any credentials will do."""

    def __init__(self, folder: Path) -> None:
        """Find what can serve, download it the first time; nothing runs yet. Raises ServiceError."""
        port, tls = free_ports(2)
        self.address = f"http://127.0.0.1:{port}"
        node, npm = shutil.which("node"), shutil.which("npm")
        if node and npm:
            package = _package(npm)
            # It opens its files by relative paths.
            command = [node, "--require", str(_HERE / "loopback.cjs"), str(package / "main.js")]
            shutil.copy(package / "server.json", folder)
        elif importlib.util.find_spec("moto"):
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        else:
            raise ServiceError(_INSTALL)
        environ = {"KINESIS_MOCK_PLAIN_PORT": str(port), "KINESIS_MOCK_TLS_PORT": str(tls), "LOG_LEVEL": "WARN"}
        self.process = Process(command, folder, ready=lambda _: listens(port), environ=environ)

    def start(self) -> None:
        """Start it; it takes requests when this returns."""
        self.process.start()

    def stop(self) -> None:
        """End it; its streams are gone."""
        self.process.stop()


def _package(npm: str, cache: Path | None = None) -> Path:
    """The folder of the package, installed once."""
    installed = (cache or cache_folder()) / f"kinesis-local-{VERSION}"
    if not installed.exists():
        installed.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=installed.parent) as folder:
            command = [npm, "install", "--silent", "--no-save", "--ignore-scripts", f"kinesis-local@{VERSION}"]
            run(command, Path(folder), "kinesis-local")
            if not installed.exists():
                os.rename(Path(folder) / "node_modules" / "kinesis-local", installed)
    return installed
