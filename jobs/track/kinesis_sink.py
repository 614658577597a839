"""The storage of a Kinesis stream: an event is answered when the stream has taken its record.

Records go in calls of as many as the service takes at once. Those that a call did not take are sent again, with the
new ones, after a pause that doubles, so a throttled shard does not hold up the others; after ANSWER_MS they are
refused. A heartbeat goes to every open shard each second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from jobs.track.kinesis_records import Record, calls, event_record, heartbeat_record
from jobs.track.queued import Answer
from jobs.track.waiting import Waiting
from lambda_learner.events.accept import heartbeat_line
from operators.clock import wall_clock_ms

__all__ = ["CLIENT_SETTINGS", "KinesisClient", "KinesisStream"]

BEAT_MS: Final = 1_000  # between two heartbeats of a shard
SHARDS_MS: Final = 10_000  # between two looks at the shards, which are split and merged while it runs
# The storage sends again by itself; a call ends soon, as other events wait meanwhile. Seconds.
CLIENT_SETTINGS: Final[dict[str, Any]] = {
    "connect_timeout": 1,
    "read_timeout": 2,
    "retries": {"total_max_attempts": 1},
}


class KinesisClient(Protocol):
    """What is used of boto3's client."""

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Take some of the records, and say which."""
        ...

    def list_shards(self, **arguments: str) -> dict[str, Any]:
        """One page of the shards."""
        ...


class KinesisStream:
    """Makes events durable in one stream, for a QueuedSink; without the service it begins as well, and refuses."""

    def __init__(
        self,
        stream: str,
        client: KinesisClient,
        *,
        clock_ms: Callable[[], int] = wall_clock_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stream, self._client, self._clock_ms, self._sleep = stream, client, clock_ms, sleep
        self._answer: Answer
        self._records: list[Record] = []  # that are not taken yet
        self._hash_keys: list[str] = []  # the first of each open shard
        self._beat_ms = self._shards_ms = 0
        self._not_put: str | None = None
        self._not_listed: str | None = None

    def open(self, answer: Answer, now_ms: int) -> str:
        """Nothing is asked of the service yet."""
        self._answer = answer
        return ""

    def store(self, group: list[Waiting], now_ms: int) -> None:
        """Send the events; those that are not taken are answered later."""
        self._records += [event_record(waiting, now_ms) for waiting in group]
        self._put()

    def beat(self, now_ms: int) -> str | None:
        """Send what is due: heartbeats, and what was not taken."""
        if not 0 <= now_ms - self._beat_ms < BEAT_MS:
            self._beat_ms = now_ms
            self._look_at_shards(now_ms)
            line = heartbeat_line(now_ms)
            self._records += [heartbeat_record(line, key, now_ms) for key in self._hash_keys]
        self._put()
        return self._not_put or self._not_listed

    def wait_ms(self, now_ms: int) -> int:
        """Until the next heartbeats, or the end of a pause."""
        due_ms = min([self._beat_ms + BEAT_MS, *(record.due_ms for record in self._records)])
        return min(max(due_ms - now_ms, 0), BEAT_MS)

    def close(self, now_ms: int) -> None:
        """Send until all is taken or refused."""
        while self._records:
            self._put()
            due_ms = min((record.due_ms for record in self._records), default=0)  # no heartbeat is due any more
            self._sleep(min(max(due_ms - self._clock_ms(), 0), BEAT_MS) / 1000)

    def _put(self) -> None:
        """Send what is due; when a whole call fails, the others of this round wait too."""
        now_ms = self._clock_ms()
        due = [record for record in self._records if record.is_due(now_ms)]
        self._records = [record for record in self._records if not record.is_due(now_ms)]
        problem: str | None = None
        for call in calls(due):
            problem = problem or self._put_call(call)
            if problem is not None:
                self._not_taken(call, problem)
        if due:
            self._not_put = problem

    def _put_call(self, call: list[Record]) -> str | None:
        """Send one call and answer what it took; give why it took nothing."""
        try:
            answer = self._client.put_records(StreamName=self._stream, Records=[record.entry for record in call])
        except (BotoCoreError, ClientError) as error:
            return self._told(error)
        results = list(zip(call, answer["Records"], strict=True))
        taken = [record for record, result in results if not result.get("ErrorCode")]
        self._answer([record.waiting for record in taken if record.waiting], None)
        for record, result in results:
            if result.get("ErrorCode"):
                self._not_taken([record], self._told(f"{result['ErrorCode']}: {result.get('ErrorMessage')}"))
        return None

    def _not_taken(self, records: list[Record], problem: str) -> None:
        """Send again after a pause, or refuse; a heartbeat is not sent again, a newer one will be."""
        now_ms = self._clock_ms()
        waiting = [record for record in records if record.waiting]
        self._records += [record.again(now_ms) for record in waiting if not record.is_over(now_ms)]
        self._answer([record.waiting for record in waiting if record.waiting and record.is_over(now_ms)], problem)

    def _look_at_shards(self, now_ms: int) -> None:
        if 0 <= now_ms - self._shards_ms < SHARDS_MS and self._not_listed is None:
            return
        try:
            self._hash_keys = self._open_shards()
        except (BotoCoreError, ClientError) as error:
            self._not_listed = self._told(error)
        else:
            self._shards_ms, self._not_listed = now_ms, None

    def _open_shards(self) -> list[str]:
        """The first hash key of each shard that takes records."""
        page = self._client.list_shards(StreamName=self._stream)
        shards = list(page["Shards"])
        while token := page.get("NextToken"):
            page = self._client.list_shards(NextToken=token)
            shards += page["Shards"]
        is_open = [shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        return [shard["HashKeyRange"]["StartingHashKey"] for shard in is_open]

    def _told(self, error: object) -> str:
        return f"Kinesis stream {self._stream}: {error}"
