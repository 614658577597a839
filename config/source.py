"""The section `stream.source`: where events come from."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from config.kafka import KafkaConnection, Topic
from config.kinds import Folder, Text
from config.sections import Section

__all__ = ["FileSource", "KafkaSource", "Source"]


class FileSource(Section):
    """JSON lines in a file or a folder of files; `follow` takes in the files that appear later."""

    kind: Annotated[Literal["files"], Field(description="files")] = "files"
    path: Annotated[Folder, Field(description="the path of a file or folder")] = "data/events"
    follow: Annotated[bool, Field(description="true or false")] = False

    @property
    def has_end(self) -> bool:
        """Whether a run ends when all is read."""
        return not self.follow


def _list(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class KafkaSource(Section):
    """Topics of Kafka, each record a line. `group` is told how far the job is; the job's own place is in its state."""

    kind: Annotated[Literal["kafka"], Field(description="kafka")] = "kafka"
    connection: KafkaConnection
    topics: Annotated[
        tuple[Topic, ...], BeforeValidator(_list), Field(min_length=1, description="a topic, or a list of them")
    ]
    start: Annotated[Literal["earliest", "latest", "committed"], Field(description="earliest, latest or committed")] = (
        "earliest"
    )
    group: Text | None = None

    @property
    def has_end(self) -> bool:
        """Topics grow for ever."""
        return False


def _kind(value: object) -> object:
    return value.get("kind", "files") if isinstance(value, dict) else getattr(value, "kind", "files")


Source: TypeAlias = Annotated[
    Annotated[FileSource, Tag("files")] | Annotated[KafkaSource, Tag("kafka")], Discriminator(_kind)
]
