"""The storage of a Kinesis stream with a client that takes what the test says; the clock is the test's."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from jobs.track.kinesis_records import ANSWER_MS, MAX_LINE_BYTES, MAX_PAUSE_MS, PAUSE_MS, calls, event_record
from jobs.track.kinesis_sink import BEAT_MS, SHARDS_MS, KinesisStream
from jobs.track.sink import NotStoredError
from jobs.track.waiting import Waiting, WaitingEvents
from lambda_learner.events.accept import Stored

NOW_MS = 1_795_406_033_000
AWAY = EndpointConnectionError(endpoint_url="http://kinesis")


def shard(first: int, *, is_open: bool = True) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": "1"} | ({} if is_open else {"EndingSequenceNumber": "2"})
    return {"HashKeyRange": {"StartingHashKey": str(first), "EndingHashKey": "9"}, "SequenceNumberRange": numbers}


@dataclass
class Client:
    """Takes all but the keys that are throttled; `error` fails whole calls."""

    shards: list[dict[str, Any]] = field(default_factory=list)
    throttled: set[str] = field(default_factory=set)
    error: Exception | None = None
    list_error: Exception | None = None
    calls: list[list[dict[str, Any]]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    listed: int = 0

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert StreamName == "events"
        self.calls.append(Records)
        if self.error is not None:
            raise self.error
        results = []
        for record in Records:
            if record["PartitionKey"] in self.throttled:
                results.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "too fast"})
            else:
                self.taken.append(record)
                results.append({"SequenceNumber": "1", "ShardId": "shard"})
        return {"FailedRecordCount": len(Records) - len(self.taken), "Records": results}

    def list_shards(self, **arguments: str) -> dict[str, Any]:
        """One shard a page."""
        if self.list_error is not None:
            raise self.list_error
        self.listed += 1
        page = int(arguments.get("NextToken", "0"))
        assert arguments == ({"NextToken": str(page)} if page else {"StreamName": "events"})
        more = {"NextToken": str(page + 1)} if page + 1 < len(self.shards) else {}
        return {"Shards": self.shards[page : page + 1], **more}

    def heartbeats(self) -> list[dict[str, Any]]:
        return [record for record in self.taken if "ExplicitHashKey" in record]


@dataclass
class Opened:
    """A storage with the queue that it answers and the clock that it reads."""

    client: Client = field(default_factory=Client)
    now_ms: int = NOW_MS

    def __post_init__(self) -> None:
        self.slept: list[float] = []
        self.waiting = WaitingEvents()
        self.waiting.open()
        self.storage = KinesisStream("events", self.client, clock_ms=lambda: self.now_ms, sleep=self.sleep)
        self.storage.open(self.waiting.answer, NOW_MS)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_ms += max(int(seconds * 1000), 1)

    def store(self, *keys: str, line: bytes = b"{}\n") -> list[Waiting]:
        for key in keys:
            self.waiting.append(Stored(line, key))
        group = self.waiting.gather(0)
        assert group is not None
        self.storage.store(group, self.now_ms)
        return group

    def beat(self, after_ms: int = 0) -> str | None:
        self.now_ms += after_ms
        return self.storage.beat(self.now_ms)


@pytest.fixture
def opened() -> Opened:
    return Opened()


def problem_of(waiting: Waiting) -> str:
    error = waiting.stored.exception(0)
    assert isinstance(error, NotStoredError)
    return str(error)


def test_an_event_is_answered_when_it_is_taken(opened: Opened) -> None:
    (waiting,) = opened.store("decision")
    assert waiting.stored.result(0) is None
    assert opened.client.taken == [{"Data": b"{}", "PartitionKey": "decision"}]


def test_only_what_was_not_taken_is_sent_again(opened: Opened) -> None:
    opened.client.throttled = {"b"}
    first, second, third = opened.store("a", "b", "c")
    assert first.stored.done()
    assert third.stored.done()
    assert not second.stored.done()
    opened.client.throttled = set()
    opened.beat(PAUSE_MS)
    assert second.stored.result(0) is None
    assert Counter(record["PartitionKey"] for record in opened.client.taken) == {"a": 1, "b": 1, "c": 1}


def test_a_record_is_sent_again_after_pauses_that_double(opened: Opened) -> None:
    opened.client.throttled = {"a"}
    opened.store("a")
    sent = []
    for _ in range(ANSWER_MS):
        before = len(opened.client.calls)
        opened.beat(1)
        if len(opened.client.calls) > before:
            sent.append(opened.now_ms - NOW_MS)
    assert sent[:5] == [100, 300, 700, 1_500, 2_500]


def test_a_throttled_shard_does_not_hold_up_the_others(opened: Opened) -> None:
    opened.client.throttled = {"hot"}
    (hot,) = opened.store("hot")
    (cold,) = opened.store("cold")
    assert cold.stored.result(0) is None
    assert not hot.stored.done()
    assert opened.beat() is None


def test_what_is_not_taken_in_time_is_refused(opened: Opened) -> None:
    opened.client.throttled = {"a"}
    (waiting,) = opened.store("a")
    while opened.now_ms < NOW_MS + ANSWER_MS:
        assert not waiting.stored.done()
        opened.beat(MAX_PAUSE_MS)
    opened.beat(MAX_PAUSE_MS)
    expected = "Kinesis stream events: ProvisionedThroughputExceededException: too fast"
    assert problem_of(waiting) == expected
    assert opened.waiting.waiting_events == opened.waiting.waiting_bytes == 0


@pytest.mark.parametrize(
    "error", [AWAY, ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, "PutRecords")]
)
def test_a_service_that_is_away_is_a_problem_until_it_is_back(opened: Opened, error: Exception) -> None:
    opened.client.error = error
    (waiting,) = opened.store("a")
    assert not waiting.stored.done()
    assert "Kinesis stream events: " in str(opened.beat())
    opened.client.error = None
    assert opened.beat(BEAT_MS) is None
    assert waiting.stored.result(0) is None


def test_shards_that_cannot_be_listed_are_a_problem_though_events_are_stored(opened: Opened) -> None:
    opened.client.list_error = AWAY
    assert "Kinesis stream events: " in str(opened.beat())
    (waiting,) = opened.store("a")
    assert waiting.stored.result(0) is None
    opened.client.list_error = None
    assert opened.beat(BEAT_MS) is None


def test_events_are_refused_in_time_while_the_service_is_away(opened: Opened) -> None:
    opened.client.error = AWAY
    (waiting,) = opened.store("a")
    for _ in range(ANSWER_MS // MAX_PAUSE_MS + 1):
        opened.beat(MAX_PAUSE_MS)
    assert "kinesis" in problem_of(waiting)


def test_a_call_that_fails_is_not_followed_by_others_at_once(opened: Opened) -> None:
    opened.client.error = AWAY
    opened.store(*map(str, range(1_200)))
    assert len(opened.client.calls) == 1
    opened.client.error = None
    opened.beat(PAUSE_MS)
    assert len(opened.client.taken) == 1_200


def test_a_call_has_no_more_records_than_it_may(opened: Opened) -> None:
    opened.store(*map(str, range(1_001)))
    assert [len(call) for call in opened.client.calls] == [500, 500, 1]
    assert opened.waiting.waiting_events == 0


def test_a_call_has_no_more_bytes_than_it_may(opened: Opened) -> None:
    opened.store(*map(str, range(11)), line=b"x" * 1_000_000 + b"\n")
    assert [len(call) for call in opened.client.calls] == [5, 5, 1]


@pytest.mark.parametrize("sizes", [[], [1], [6 << 20, 1, 6 << 20], [1 << 20] * 12])
def test_calls_have_all_records_in_their_order(sizes: list[int]) -> None:
    records = [event_record(Waiting(Stored(b"x" * size + b"\n", "k")), 0) for size in sizes]
    assert [record for call in calls(records) for record in call] == records


def test_the_largest_line_and_its_key_are_a_record_of_a_mebibyte() -> None:
    record = event_record(Waiting(Stored(b"x" * MAX_LINE_BYTES, "a" * 27)), 0)
    assert record.size <= 1 << 20


def test_every_open_shard_has_a_heartbeat_a_second(opened: Opened) -> None:
    opened.client.shards = [shard(0), shard(5, is_open=False), shard(7)]
    opened.beat()
    opened.beat(BEAT_MS - 1)
    opened.beat(1)
    beats = [(beat["ExplicitHashKey"], json.loads(beat["Data"])["time"]) for beat in opened.client.heartbeats()]
    assert beats == [("0", NOW_MS), ("7", NOW_MS), ("0", NOW_MS + BEAT_MS), ("7", NOW_MS + BEAT_MS)]


def test_a_shard_that_was_split_has_heartbeats_in_both_parts(opened: Opened) -> None:
    opened.client.shards = [shard(0)]
    opened.beat()
    opened.client.shards = [shard(0, is_open=False), shard(0), shard(5)]
    for _ in range(SHARDS_MS // BEAT_MS):
        opened.beat(BEAT_MS)
    assert {beat["ExplicitHashKey"] for beat in opened.client.heartbeats()[-2:]} == {"0", "5"}
    assert opened.client.listed == 1 + 3


def test_a_heartbeat_that_is_not_taken_is_not_sent_again(opened: Opened) -> None:
    opened.client.shards, opened.client.throttled = [shard(0)], {"heartbeat"}
    opened.beat()
    opened.client.throttled = set()
    opened.beat(BEAT_MS)
    assert [json.loads(beat["Data"])["time"] for beat in opened.client.heartbeats()] == [NOW_MS + BEAT_MS]


@pytest.mark.parametrize("throttled", [set(), {"a"}])
def test_closing_answers_everything(opened: Opened, throttled: set[str]) -> None:
    opened.client.throttled = {"a"}
    first, second = opened.store("a", "b")
    opened.client.throttled = throttled
    opened.storage.close(opened.now_ms)
    assert second.stored.result(0) is None
    assert first.stored.done()
    assert (first.stored.exception(0) is None) == (not throttled)


def test_closing_waits_between_two_calls(opened: Opened) -> None:
    opened.client.throttled = {"a"}
    opened.store("a")
    began, opened.slept = len(opened.client.calls), []
    opened.storage.close(opened.now_ms)
    assert len(opened.client.calls) - began < 10
    assert min(opened.slept[:-1]) > 0


def test_the_sink_comes_back_when_a_pause_is_over(opened: Opened) -> None:
    opened.beat()
    assert opened.storage.wait_ms(opened.now_ms) == BEAT_MS
    opened.client.throttled = {"a"}
    opened.store("a")
    assert opened.storage.wait_ms(opened.now_ms) == PAUSE_MS
