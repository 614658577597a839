"""Fixtures of the services that tests need: started once a session, when the first test asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.connectors import connectors_folder
from deploy.services.found import service
from deploy.services.kafka import Broker
from deploy.services.process import ServiceError
from tests.harness.secured import Secured

__all__ = ["connectors", "kafka", "kafka_broker", "kinesis", "local_broker", "secured", "without"]


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """How the session's own broker is reached over TLS."""
    return Secured(tmp_path_factory.mktemp("secured"))


@pytest.fixture(scope="session")
def local_broker(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker | ServiceError]:
    """A broker of the session's own, or why there is none."""
    try:
        broker = Broker(tmp_path_factory.mktemp("kafka"), secured.login())
        broker.start()
        secured.add_user(broker)
    except ServiceError as error:
        yield error
        return
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def kafka_broker(local_broker: Broker | ServiceError) -> Broker:
    """A broker of this machine, which a test may kill if it starts it again."""
    if isinstance(local_broker, ServiceError):
        without("kafka", local_broker)
    return local_broker


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of a Kafka."""
    local = None if os.environ.get("KAFKA_BOOTSTRAP") else request.getfixturevalue("local_broker")
    if isinstance(local, Broker):
        yield local.address
    else:
        yield from _service("kafka", tmp_path_factory.mktemp("kafka-elsewhere"))


@pytest.fixture(scope="session")
def kinesis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a Kinesis."""
    yield from _service("kinesis", tmp_path_factory.mktemp("kinesis"))


@pytest.fixture(scope="session")
def connectors() -> Path:
    """The folder of Flink's connectors."""
    try:
        return connectors_folder()
    except ServiceError as error:
        without("connectors", error)


def _service(name: str, folder: Path) -> Iterator[str]:
    try:
        with service(name, folder) as address:
            yield address
    except ServiceError as error:
        without(name, error)


def without(name: str, error: ServiceError) -> NoReturn:
    """In continuous integration a missing service must not look like a success."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name}: {error}", pytrace=False)
    pytest.skip(f"{name}: {error}")
