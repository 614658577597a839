"""The Kinesis sink against a server, alone and in the endpoint."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.track.kinesis_sink import CLIENT_SETTINGS, KinesisStream
from jobs.track.queued import QueuedSink
from jobs.track.sink import NotStoredError
from lambda_learner.events.accept import Stored
from tests.harness.endpoint import Clients, Endpoint
from tests.harness.stream import REGION, TestStream, kinesis_client

pytestmark = pytest.mark.services

PATIENCE_SECONDS = 30.0


def event(number: int, size: int = 0) -> Stored:
    fields = {"message_id": f"{number:027d}", "filler": "x" * size}
    return Stored(json.dumps(fields).encode() + b"\n", f"decision-{number % 50}")


@contextmanager
def sink_of(stream: TestStream, name: str | None = None) -> Iterator[QueuedSink]:
    sink = QueuedSink(KinesisStream(name or stream.name, kinesis_client(stream.endpoint, **CLIENT_SETTINGS)))
    sink.open()
    try:
        yield sink
    finally:
        sink.close()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_all_that_is_acknowledged_is_there_once_and_a_key_has_one_shard(stream: TestStream) -> None:
    events = [event(number) for number in range(1_200)]
    with sink_of(stream) as sink:
        for stored in [sink.append(each) for each in events]:
            stored.result(PATIENCE_SECONDS)
    found = stream.events()
    assert sorted(record.raw + b"\n" for record in found) == sorted(each.line for each in events)
    assert {record.key for record in found} == {each.key for each in events}
    assert len({(record.key, record.shard) for record in found}) == 50


def test_every_open_shard_has_heartbeats_those_too_that_a_split_makes(
    stream: TestStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.track.kinesis_sink.SHARDS_MS", 0)
    first = stream.shards()
    with sink_of(stream) as sink:
        until(lambda: len(stream.beating()) == 2)
        middle = int(first[0]["HashKeyRange"]["EndingHashKey"]) // 2
        stream.client.split_shard(
            StreamName=stream.name, ShardToSplit=first[0]["ShardId"], NewStartingHashKey=str(middle)
        )
        until(lambda: len(stream.open_shards()) == 3 and stream.open_shards() <= stream.beating())
        assert sink.problem is None


def test_a_stream_that_is_not_there_is_told(stream: TestStream) -> None:
    with sink_of(stream, "not-there") as sink:
        until(lambda: sink.problem)
        assert "Kinesis stream not-there: " in str(sink.problem)
        with pytest.raises(NotStoredError, match="Kinesis stream not-there: "):
            sink.append(event(1)).result(PATIENCE_SECONDS)


def test_the_largest_event_is_stored(stream: TestStream) -> None:
    with sink_of(stream) as sink:
        sink.append(event(1, 1_024_000 - 100)).result(PATIENCE_SECONDS)
    assert stream.counts().total() == 1


@pytest.fixture
def clients(stream: TestStream, tmp_path: Path) -> Clients:
    """What was answered while the endpoint was killed, started again, and asked to end."""
    sink = {"kind": "kinesis", "stream": stream.name, "region": REGION, "endpoint": stream.endpoint}
    endpoint = Endpoint(tmp_path, sink)
    clients = Clients(endpoint)
    with endpoint.running() as running, clients:
        clients.until_answered(running, 100)
        running.kill()
    with endpoint.running() as running, clients:
        clients.until_answered(running, 100)
        running.until(endpoint.is_ready, "readiness")
        running.interrupt(signal.SIGTERM)
        assert running.wait().code == 0
    return clients


def test_what_the_endpoint_answered_200_is_in_the_stream_though_it_was_killed(
    clients: Clients, stream: TestStream
) -> None:
    counts = stream.counts()
    assert len(clients.answered) >= 200
    assert {name: counts[name] for name in clients.answered} == dict.fromkeys(clients.answered, 1)
    assert set(counts) <= set(clients.events)
    for record in stream.events():
        decision = record.value.get("decision_id", record.value["message_id"])
        assert record.key == decision
        sent = clients.events[record.value["message_id"]]
        assert {**sent, "received_at": record.value["received_at"]} == record.value
