"""What the parts of the demo need around them: a broker, an S3 server, a topic, a bucket, and their configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from deploy.services.found import SERVICES, service
from jobs.ports import free_port
from lambda_learner.publish.s3_address import S3Address
from lambda_learner.publish.s3_client import connect

__all__ = ["Places", "configuration", "given", "in_place", "served"]

PARTITIONS: Final = 2
REGION: Final = "us-east-1"


class Places(NamedTuple):
    """Where the services are, and under which names the demo keeps its own there."""

    kafka: str
    s3: str
    topic: str
    bucket: str
    track_port: int


def configuration(shipped: str, places: Places, state: Path) -> str:
    """The shipped YAML text with these places, and the folder of the job's state, put into it."""
    values: dict[str, Any] = yaml.safe_load(shipped)
    connection = {"bootstrap_servers": places.kafka}
    values["stream"] |= {"state": str(state)}
    values["stream"]["source"] |= {"topics": places.topic, "connection": connection}
    values["track"] |= {"port": places.track_port}
    values["track"]["sink"] |= {"topic": places.topic, "connection": dict(connection)}
    buckets = {kind: f"s3://{places.bucket}/{kind}" for kind in ("models", "train")}
    values["bucket"] |= {**buckets, "endpoint": places.s3, "region": REGION}
    return yaml.safe_dump(values, sort_keys=False)


def given(environ: Mapping[str, str]) -> list[str]:
    """The services that the environment gives the addresses of: these are not started, and cleaned up afterwards."""
    return [name for name in ("kafka", "s3") if environ.get(SERVICES[name].variable)]


@contextmanager
def served(name: str, folder: Path) -> Iterator[str]:
    """The address of a service; its clients in this process and in its children find their credentials."""
    folder.mkdir(parents=True)
    if name not in given(os.environ):
        os.environ.update(SERVICES[name].environ)
    with service(name, folder) as address:
        yield address


@contextmanager
def in_place(kafka: str, s3: str, run: str) -> Iterator[Places]:
    """A topic and a bucket of this run's own; on services that were there before they do not stay."""
    port = free_port()
    places = Places(kafka, s3, f"events-{run}", f"lambda-learner-demo-{run}", port)
    there_before = given(os.environ)
    with ExitStack() as stack:
        admin = stack.enter_context(closing(KafkaAdminClient(bootstrap_servers=kafka)))
        admin.create_topics([NewTopic(places.topic, PARTITIONS, 1)])
        if "kafka" in there_before:
            stack.callback(admin.delete_topics, [places.topic])
        client = connect(S3Address(places.bucket, endpoint=s3, region=REGION))
        client.create_bucket(Bucket=places.bucket)
        if "s3" in there_before:
            stack.callback(_delete_bucket, client, places.bucket)
        yield places


def _delete_bucket(client: Any, bucket: str) -> None:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", ())]:
            client.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    client.delete_bucket(Bucket=bucket)
