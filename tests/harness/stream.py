"""Streams of Kinesis that a test makes for itself, and all that is in them."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"


@dataclass(frozen=True)
class Record:
    """A record of a stream; its data as JSON."""

    shard: str
    key: str
    value: Mapping[str, Any]
    raw: bytes

    @property
    def is_heartbeat(self) -> bool:
        return self.value.get("type") == "heartbeat"


@dataclass(frozen=True)
class TestStream:
    """A stream with a name of its own."""

    endpoint: str
    name: str
    __test__ = False

    @property
    def client(self) -> Any:
        return kinesis_client(self.endpoint)

    def shards(self) -> list[dict[str, Any]]:
        return list(self.client.list_shards(StreamName=self.name)["Shards"])

    def open_shards(self) -> set[str]:
        return {each["ShardId"] for each in self.shards() if "EndingSequenceNumber" not in each["SequenceNumberRange"]}

    def read(self) -> list[Record]:
        """All records, shard by shard, up to now."""
        return [record for shard in self.shards() for record in self._read(shard["ShardId"])]

    def events(self) -> list[Record]:
        return [record for record in self.read() if not record.is_heartbeat]

    def counts(self) -> Counter[str]:
        """How often each message_id is there."""
        return Counter(record.value["message_id"] for record in self.events())

    def beating(self) -> set[str]:
        """The shards that have heartbeats."""
        return {record.shard for record in self.read() if record.is_heartbeat}

    def _read(self, shard: str) -> list[Record]:
        first = self.client.get_shard_iterator(StreamName=self.name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        found, iterator = [], first
        while iterator:
            page = self.client.get_records(ShardIterator=iterator, Limit=10_000)
            found += [_record(shard, record) for record in page["Records"]]
            iterator = page.get("NextShardIterator") if page["Records"] or page.get("MillisBehindLatest") else None
        return found


def kinesis_client(endpoint: str, **settings: Any) -> Any:
    return boto3.client("kinesis", region_name=REGION, endpoint_url=endpoint, config=Config(**settings))


def make_stream(endpoint: str, shards: int = 2) -> TestStream:
    """A new stream, which takes records when this returns."""
    stream = TestStream(endpoint, f"track-{uuid.uuid4()}")
    stream.client.create_stream(StreamName=stream.name, ShardCount=shards)
    stream.client.get_waiter("stream_exists").wait(StreamName=stream.name, WaiterConfig={"Delay": 1})
    return stream


def _record(shard: str, record: Mapping[str, Any]) -> Record:
    return Record(shard, record["PartitionKey"], json.loads(record["Data"]), record["Data"])
