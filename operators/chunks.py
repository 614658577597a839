"""A chunk is what one element of the stream has the job read: a part of a file, or ranges of offsets of Kafka."""

from __future__ import annotations

import json
from typing import NamedTuple, TypeAlias

from operators.files import FileChunk
from operators.offsets import OffsetRange

__all__ = ["Chunk", "KafkaChunk", "chunk_from_json"]


class KafkaChunk(NamedTuple):
    """Ranges of several partitions that are read together, in order of arrival; `again_after_ms` as of a FileChunk."""

    ranges: tuple[OffsetRange, ...]
    again_after_ms: int | None = None

    def to_json(self) -> str:
        """The chunk as one line of text."""
        return json.dumps(self._asdict())


Chunk: TypeAlias = FileChunk | KafkaChunk


def chunk_from_json(text: str) -> Chunk:
    """The chunk of a line of text."""
    fields = json.loads(text)
    if isinstance(fields, dict):
        return KafkaChunk(tuple(OffsetRange(*each) for each in fields["ranges"]), fields["again_after_ms"])
    return FileChunk(*fields)
