"""The section `stream.sinks`: where else the job sends what it gives, besides the bucket and its state folder."""

from __future__ import annotations

from typing import Annotated, Final, LiteralString

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from config.durations import duration_ms
from config.kafka import KafkaConnection, Topic
from config.kinds import MAX_INT32
from config.sections import AT_KEY, Section

__all__ = ["OUTPUTS", "KafkaSinks", "KinesisSinks", "Sinks"]

OUTPUTS: Final = ("coefficients", "dead_letters", "requests")  # what may be sent
MIN_RECORD_BYTES: Final = 10_000  # a dead letter without its raw bytes fits
MAX_RECORD_BYTES: Final = 16_777_216  # Kafka's producer has room for 32 MiB


class KafkaSinks(Section):
    """A topic for each output that is to be sent; without one it is not.

    `transaction_timeout` must be at most the brokers' `transaction.max.timeout.ms`, 15 minutes unless they say other;
    `max_record_bytes` at most their `message.max.bytes`, 1,048,588.
    """

    connection: KafkaConnection
    coefficients: Topic | None = None
    dead_letters: Topic | None = None
    requests: Topic | None = None
    transaction_timeout_ms: Annotated[
        int,
        BeforeValidator(duration_ms),
        Field(ge=60_000, le=MAX_INT32, description="a duration of at least 1 minute, such as 15 minutes"),
    ] = 900_000
    max_record_bytes: Annotated[
        int,
        Field(
            ge=MIN_RECORD_BYTES,
            le=MAX_RECORD_BYTES,
            description=f"an integer from {MIN_RECORD_BYTES} to {MAX_RECORD_BYTES}",
        ),
    ] = 1_000_000

    @property
    def topics(self) -> dict[str, str]:
        """The topic of each output that has one."""
        given = {name: getattr(self, name) for name in OUTPUTS}
        return {name: topic for name, topic in given.items() if topic is not None}

    @model_validator(mode="after")
    def _each_has_a_topic_of_its_own(self) -> KafkaSinks:
        topics = self.topics
        if not topics:
            none: LiteralString = "nothing is sent; give a topic to one of coefficients, dead_letters, requests"
            raise PydanticCustomError(AT_KEY, none, {"key": OUTPUTS[0], "value": None})
        for name, topic in topics.items():
            if list(topics.values()).index(topic) != list(topics).index(name):
                twice: LiteralString = "another output has this topic"
                raise PydanticCustomError(AT_KEY, twice, {"key": name, "value": topic})
        return self


StreamArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z0-9\-]*:kinesis:[a-z0-9\-]+:\d{12}:stream/[a-zA-Z0-9_.\-]{1,128}$",
        description="an ARN such as arn:aws:kinesis:eu-west-1:123456789012:stream/NAME",
    ),
]


class KinesisSinks(Section):
    """A stream for each output that is to be sent, at least once. Credentials: AWS's own search.

    None for coefficients: a stream keeps no newest record of a key.
    """

    dead_letters: StreamArn | None = None
    requests: StreamArn | None = None
    endpoint: Annotated[
        str | None, Field(pattern=r"^https?://[^\s@]+$", description="an address such as http://localhost:4567")
    ] = None

    @property
    def streams(self) -> dict[str, str]:
        """The stream of each output that has one."""
        given = {"dead_letters": self.dead_letters, "requests": self.requests}
        return {name: stream for name, stream in given.items() if stream is not None}

    @model_validator(mode="after")
    def _something_is_sent(self) -> KinesisSinks:
        if not self.streams:
            none: LiteralString = "nothing is sent; give a stream to one of dead_letters, requests"
            raise PydanticCustomError(AT_KEY, none, {"key": "dead_letters", "value": None})
        return self


class Sinks(Section):
    """The sinks there are."""

    kafka: KafkaSinks | None = None
    kinesis: KinesisSinks | None = None
