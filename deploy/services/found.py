"""Finds a service: an address that the environment gives, else a process of this machine, else a container."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from deploy.services import containers
from deploy.services.kafka import Broker
from deploy.services.kinesis import KinesisServer
from deploy.services.process import ServiceError
from deploy.services.s3 import ENVIRON, S3Server

__all__ = ["SERVICES", "Local", "service"]


class Local(Protocol):
    """A service as a process of this machine."""

    address: str

    def start(self) -> None:
        """Start it; it serves when this returns."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


class _Kind(NamedTuple):
    variable: str  # of the environment, for a service that is there already
    local: Callable[[Path], Local]
    container: Callable[[], containers.Started]
    environ: Mapping[str, str] = {}  # of its clients, where it was started here


SERVICES: Final = {
    "kafka": _Kind("KAFKA_BOOTSTRAP", Broker, containers.kafka),
    "kinesis": _Kind("KINESIS_ENDPOINT", KinesisServer, containers.kinesis),
    "s3": _Kind("S3_ENDPOINT", S3Server, containers.s3, ENVIRON),
}


@contextmanager
def service(name: str, folder: Path, environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The address of a service, started and ended with the context where it was not there; raises ServiceError."""
    kind = SERVICES[name]
    if environ.get(kind.variable):
        yield environ[kind.variable]
        return
    started = _local(kind, folder)
    try:
        yield started.address
    finally:
        started.stop()


def _local(kind: _Kind, folder: Path) -> Local | containers.Started:
    try:
        local = kind.local(folder)
        local.start()
    except ServiceError as no_process:
        try:
            return kind.container()
        except ServiceError as no_container:
            message = f"{no_process}; {no_container}; or set {kind.variable} to the address of one"
            raise ServiceError(message) from no_container
    return local
