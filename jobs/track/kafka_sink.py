"""The storage of a Kafka topic: an event is answered when all in-sync replicas have it.

The idempotent producer keeps one batch a partition on its way and gathers the next meanwhile; its own thread answers.
A heartbeat to every partition each second also tells whether they take anything. When nothing has come through for a
while, the producer is given up, all that it has fails, and events are refused until another one reaches the topic.
kafka-python alone would keep them: after its first failure it waits for a new producer id, and lets nothing expire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from jobs.track.kafka_client import ANSWER_MS, CLOSE_SECONDS
from jobs.track.queued import Answer
from jobs.track.waiting import Waiting
from lambda_learner.events.accept import heartbeat_line

__all__ = ["KafkaTopic"]

BEAT_MS: Final = 1_000  # between two heartbeats of a partition, and two attempts to connect
SILENCE_MS: Final = ANSWER_MS + BEAT_MS  # without anything that comes through, until the producer is given up
STUCK_MS: Final = 2 * ANSWER_MS  # of one heartbeat that neither comes through nor fails, until the same


class KafkaTopic:
    """Makes events durable in one topic, for a QueuedSink; without brokers it begins as well, and refuses."""

    def __init__(
        self, topic: str, settings: Mapping[str, Any], *, connect: Callable[..., KafkaProducer] = KafkaProducer
    ) -> None:
        self._topic, self._settings, self._connect = topic, settings, connect
        self._producer: KafkaProducer | None = None
        self._answer: Answer
        self._beat_ms = self._heard_ms = 0
        self._now_ms = 0  # when the sink last looked, for the threads of the producer
        self._partitions: set[int] = set()
        self._sent_ms: dict[int, int] = {}  # by partition, the heartbeat that is on its way
        self._failed: dict[int, str] = {}  # by partition, why the last heartbeat did not come through
        self._problem: str | None = None

    def open(self, answer: Answer, now_ms: int) -> str:
        """Connect; that no broker answers yet is no error."""
        self._answer = answer
        self._reach(now_ms)
        return ""

    def store(self, group: list[Waiting], now_ms: int) -> None:
        """Give the events to the producer, which answers each in time; while there is none they are refused."""
        producer = self._reach(now_ms) if self._producer else None
        if producer is None:
            self._answer(group, self._problem)
            return
        for number, waiting in enumerate(group):
            try:
                self._send(producer, waiting, now_ms)
            except MessageSizeTooLargeError as error:
                self._answer((waiting,), self._told(error))
            except KafkaError as error:  # the topic is not there any more
                self._answer(group[number:], self._told(error))
                return

    def beat(self, now_ms: int) -> str | None:
        """Send the heartbeats that are due; there is a problem when no partition takes them."""
        self._now_ms = now_ms
        if not 0 <= now_ms - self._beat_ms < BEAT_MS:
            self._beat_ms = now_ms
            self._send_heartbeats(now_ms)
        failed = self._failed.copy()
        return self._problem or (failed.popitem()[1] if failed and failed.keys() >= self._partitions else None)

    def wait_ms(self, now_ms: int) -> int:
        """Until the next heartbeats."""
        return min(max(self._beat_ms + BEAT_MS - now_ms, 0), BEAT_MS)

    def close(self, now_ms: int) -> None:
        """Wait until all is acknowledged or has failed."""
        if self._producer is not None:
            self._close(self._producer)

    def _reach(self, now_ms: int) -> KafkaProducer | None:
        """A producer that knows the topic; where there is none, `_problem` says why, after CONNECT_MS at most twice."""
        try:
            if self._producer is None:
                self._producer, self._heard_ms = self._connect(**self._settings), now_ms
            self._partitions = self._producer.partitions_for(self._topic)
        except KafkaError as error:
            # kafka-python says the same of a broker that is away and of one that refuses the password.
            why = "" if self._producer else "; no broker is there, or none accepts the security_protocol and user"
            self._problem = self._told(f"{error}{why}")
            return None
        self._problem = None
        return self._producer

    def _send(self, producer: KafkaProducer, waiting: Waiting, now_ms: int) -> None:
        line, key = waiting.event
        sent = producer.send(self._topic, line[:-1], key=key.encode(), timestamp_ms=now_ms)
        sent.add_callback(partial(self._stored, waiting))
        sent.add_errback(partial(self._not_stored, waiting))

    def _stored(self, waiting: Waiting, _: object) -> None:
        self._heard_ms = self._now_ms
        self._answer((waiting,), None)

    def _not_stored(self, waiting: Waiting, error: Exception) -> None:
        self._answer((waiting,), self._problem or self._told(error))

    def _send_heartbeats(self, now_ms: int) -> None:
        if self._producer is not None and self._is_lost(now_ms):
            self._give_up(self._producer)
        producer = self._reach(now_ms)
        if producer is None:
            return
        for partition in self._partitions:
            self._sent_ms.setdefault(partition, now_ms)
            try:
                self._send_heartbeat(producer, partition, now_ms)
            except KafkaError as error:  # the topic is not there any more
                self._not_heard(partition, error)
                self._problem = self._failed[partition]
                return

    def _send_heartbeat(self, producer: KafkaProducer, partition: int, now_ms: int) -> None:
        line = heartbeat_line(now_ms)[:-1]
        sent = producer.send(self._topic, line, partition=partition, timestamp_ms=now_ms)
        sent.add_callback(partial(self._heard, partition))
        sent.add_errback(partial(self._not_heard, partition))

    def _heard(self, partition: int, _: object) -> None:
        self._sent_ms.pop(partition, None)
        self._failed.pop(partition, None)
        self._heard_ms = self._now_ms

    def _not_heard(self, partition: int, error: Exception) -> None:
        self._sent_ms.pop(partition, None)
        self._failed[partition] = self._told(error)

    def _is_lost(self, now_ms: int) -> bool:
        """Whether the producer gets nothing through; a clock that was set counts as that too."""
        stuck = any(not 0 <= now_ms - sent_ms < STUCK_MS for sent_ms in list(self._sent_ms.values()))
        return stuck or not 0 <= now_ms - self._heard_ms < SILENCE_MS

    def _give_up(self, producer: KafkaProducer) -> None:
        """Let all that the producer has fail, at once; its `close` would wait for that, in vain."""
        self._problem = self._told("nothing has come through")
        producer._sender.force_close()
        self._close(producer)
        self._producer = None
        self._sent_ms.clear()
        self._failed.clear()

    def _close(self, producer: KafkaProducer) -> None:
        try:
            producer.close(timeout=CLOSE_SECONDS)
        except KafkaError:  # something neither came through nor failed
            producer._sender.force_close()
            producer.close(timeout=CLOSE_SECONDS)

    def _told(self, error: object) -> str:
        return f"Kafka topic {self._topic} at {', '.join(self._settings['bootstrap_servers'])}: {error}"
