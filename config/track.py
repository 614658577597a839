"""The section `track`: where the endpoint listens, what it takes from whom, and its sink."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from config.kafka import KafkaConnection, Topic
from config.kinds import Folder, Text, TickMs
from config.sections import Section

__all__ = ["FileSink", "KafkaSink", "KinesisSink", "Track"]


class FileSink(Section):
    """Event files; without a folder they go where the job reads, the path of the source."""

    kind: Annotated[Literal["files"], Field(description="files")] = "files"
    folder: Folder | None = None
    rotate_after_ms: Annotated[TickMs, Field(description="a duration of at least 1 s, such as 2 s")] = 2_000
    rotate_bytes: Annotated[  # a file is compressed in one piece
        int, Field(ge=1, le=134_217_728, description="an integer from 1 to 134217728")
    ] = 16_777_216


class KafkaSink(Section):
    """A topic of Kafka, partitioned by decision; it must be there."""

    kind: Annotated[Literal["kafka"], Field(description="kafka")] = "kafka"
    connection: KafkaConnection
    topic: Topic


class KinesisSink(Section):
    """A stream of Kinesis, partitioned by decision; without a region, `aws_region`. Credentials: boto3's own search."""

    kind: Annotated[Literal["kinesis"], Field(description="kinesis")] = "kinesis"
    stream: Annotated[
        str, Field(pattern=r"^[a-zA-Z0-9_.\-]{1,128}$", description="1 to 128 letters, digits, and the marks . _ -")
    ]
    region: Text | None = None
    endpoint: Annotated[
        str | None, Field(pattern=r"^https?://[^\s@]+$", description="an address such as http://localhost:4567")
    ] = None


def _kind(value: object) -> object:
    return value.get("kind", "files") if isinstance(value, dict) else getattr(value, "kind", "files")


Sink: TypeAlias = Annotated[
    Annotated[FileSink, Tag("files")] | Annotated[KafkaSink, Tag("kafka")] | Annotated[KinesisSink, Tag("kinesis")],
    Discriminator(_kind),
]


class Track(Section):
    """The track endpoint. `keys` is the file of the API keys that it asks for; without one it asks for none."""

    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535, description="an integer from 1 to 65535")] = 8080
    accept: Annotated[Literal["strict", "original"], Field(description="strict or original")] = "strict"
    keys: Annotated[Folder | None, Field(description="the path of a file")] = None
    access_log: Annotated[bool, Field(description="true or false")] = True
    sink: Sink = FileSink()
