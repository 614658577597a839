"""The same services as containers, where a Docker engine answers and testcontainers is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from deploy.services.process import ServiceError
from deploy.services.s3 import ENVIRON

__all__ = ["Started", "kafka", "kinesis", "s3"]


class Started(NamedTuple):
    """A running container: where it answers, and how it ends."""

    address: str
    stop: Callable[[], None]


def kafka() -> Started:
    """Kafka in KRaft mode; raises ServiceError."""
    _check_engine()
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415

    container = KafkaContainer().with_kraft()
    return Started(_start(container).get_bootstrap_server(), container.stop)


def kinesis() -> Started:
    """LocalStack's Kinesis; raises ServiceError."""
    _check_engine()
    from testcontainers.localstack import LocalStackContainer  # noqa: PLC0415

    container = LocalStackContainer().with_services("kinesis")
    return Started(_start(container).get_url(), container.stop)


def s3() -> Started:
    """MinIO, with the same credentials as the local server; raises ServiceError."""
    _check_engine()
    from testcontainers.minio import MinioContainer  # noqa: PLC0415

    container = MinioContainer(access_key=ENVIRON["AWS_ACCESS_KEY_ID"], secret_key=ENVIRON["AWS_SECRET_ACCESS_KEY"])
    return Started(f"http://{_start(container).get_config()['endpoint']}", container.stop)


def _check_engine() -> None:
    """Raise ServiceError where no container can be started."""
    try:
        import docker  # noqa: PLC0415
        import testcontainers  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        message = f"no container either: {error.name} is not installed (pip install testcontainers)"
        raise ServiceError(message) from error
    try:
        docker.from_env().ping()
    except docker.errors.DockerException as error:
        message = f"no container either: no Docker engine answers ({error})"
        raise ServiceError(message) from error


def _start(container: Any) -> Any:
    return container.start()
