"""The section `bridge`: which stream of Kinesis is copied into which topic of Kafka, and where its positions are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config.kafka import KafkaConnection, Topic
from config.kinds import Text
from config.sections import Section

__all__ = ["Bridge", "BridgeSink", "BridgeSource"]


class BridgeSource(Section):
    """A stream; without a region, `aws_region`. Credentials: boto3's own search. `start`: of a first run."""

    stream: Annotated[
        str, Field(pattern=r"^[a-zA-Z0-9_.\-]{1,128}$", description="1 to 128 letters, digits, and the marks . _ -")
    ]
    region: Text | None = None
    endpoint: Annotated[
        str | None, Field(pattern=r"^https?://[^\s@]+$", description="an address such as http://localhost:4567")
    ] = None
    start: Annotated[Literal["trim_horizon", "latest"], Field(description="trim_horizon or latest")] = "trim_horizon"


class BridgeSink(Section):
    """A topic, which must be there; its own partitioner puts the records of one partition key into one partition."""

    connection: KafkaConnection
    topic: Topic


class Bridge(Section):
    """The bridge. `positions_topic` is made where it is not there; by default the id has the stream's name in it."""

    source: BridgeSource
    sink: BridgeSink
    positions_topic: Topic = "lambda-learner-positions"
    transactional_id: Text | None = None
