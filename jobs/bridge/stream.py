"""What the bridge asks of Kinesis, and what an error of it means: wait, go back, or end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from jobs.bridge.errors import BridgeError, ExpiredIterator, KinesisAway, Throttled
from jobs.bridge.positions import Position
from jobs.bridge.shards import Shard

__all__ = ["CLIENT_SETTINGS", "MAX_RECORDS", "KinesisClient", "Page", "Record", "Stream"]

HOUR_MS: Final = 3_600_000
MAX_RECORDS: Final = 10_000  # of one answer, which has at most 10 MiB
# The bridge asks again by itself, and meanwhile ends when it is told to. Seconds.
CLIENT_SETTINGS: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 10,
    "retries": {"total_max_attempts": 1},
    "max_pool_connections": 16,
}
_THROTTLED: Final = {
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "ThrottlingException",
    "KMSThrottlingException",
}
INVALID: Final = "InvalidArgumentException"  # a sequence number of another stream, or a time that is yet to come
_NO_USE: Final = {  # what no later attempt changes
    INVALID,
    "ResourceNotFoundException",
    "ValidationException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSNotFoundException",
}


class KinesisClient(Protocol):
    """What is used of boto3's client."""

    def list_shards(self, **arguments: Any) -> dict[str, Any]:
        """One page of the shards."""
        ...

    def describe_stream_summary(self, **arguments: Any) -> dict[str, Any]:
        """How long the stream keeps records, and more."""
        ...

    def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        """Where to read in a shard."""
        ...

    def get_records(self, **arguments: Any) -> dict[str, Any]:
        """Some records, and where to go on."""
        ...


class Record(NamedTuple):
    """A record of a shard; `time_ms` is that of its arrival."""

    shard: str
    number: str
    key: str
    data: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of a shard; no next iterator at the end of a closed one. `behind_ms`: how far from its newest."""

    records: Sequence[Record]
    next_iterator: str | None
    behind_ms: int


class Stream:
    """One stream. Each question raises KinesisAway or one of its kinds, to ask again, or BridgeError."""

    def __init__(self, name: str, client: KinesisClient) -> None:
        self.name, self._client = name, client

    def shards(self) -> dict[str, Shard]:
        """All shards that are kept, the closed ones too, by their ids."""
        with self._asked("its shards"):
            page = self._client.list_shards(StreamName=self.name)
            listed = list(page["Shards"])
            while token := page.get("NextToken"):
                page = self._client.list_shards(NextToken=token)
                listed += page["Shards"]
        return {each["ShardId"]: Shard.of(each) for each in listed}

    def retention_ms(self) -> int:
        """For how long it keeps records."""
        with self._asked("its retention"):
            summary = self._client.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"]
        return int(summary["RetentionPeriodHours"]) * HOUR_MS

    def iterator(self, shard: str, position: Position) -> str:
        """An iterator of a shard that goes on from a position."""
        ask = partial(self._client.get_shard_iterator, StreamName=self.name, ShardId=shard, **position.iterator)
        with self._asked(f"shard {shard} at {position}"):
            try:
                return str(ask()["ShardIterator"])
            except ClientError as error:
                if position.after is None and position.since_ms is not None and _code(error) == INVALID:
                    message = f"{error}: the clock of this machine may be ahead"  # which ends by itself
                    raise KinesisAway(message) from error
                raise

    def page(self, shard: str, iterator: str, limit: int = MAX_RECORDS) -> Page:
        """What follows an iterator, or a part of it, of at most so many records."""
        with self._asked(f"shard {shard}"):
            answer = self._client.get_records(ShardIterator=iterator, Limit=limit)
        records = [_record(shard, each) for each in answer["Records"]]
        return Page(records, answer.get("NextShardIterator"), int(answer.get("MillisBehindLatest") or 0))

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            message = f"Kinesis stream {self.name}, {what}: {error}"
            raise _meaning(error)(message) from error


def _meaning(error: BotoCoreError | ClientError) -> type[RuntimeError]:
    if not isinstance(error, ClientError):
        return BridgeError if isinstance(error, NoCredentialsError | PartialCredentialsError) else KinesisAway
    code = _code(error)
    if code == "ExpiredIteratorException":
        return ExpiredIterator
    if code in _THROTTLED:
        return Throttled
    return BridgeError if code in _NO_USE else KinesisAway


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _record(shard: str, record: dict[str, Any]) -> Record:
    time_ms = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
    return Record(shard, record["SequenceNumber"], record["PartitionKey"], record["Data"], time_ms)
