from __future__ import annotations

import json
import logging
from typing import Any
from unittest.mock import Mock

import pytest
from kafka.errors import GroupAuthorizationFailedError

from operators.chunks import KafkaChunk, chunk_from_json
from operators.kafka_client import Connection, Start, TopicsSettings
from operators.offsets import MAX_RECORDS, OffsetRange
from operators.quiet import WallClock
from operators.topics import CHUNKS_A_TICK, Topics
from tests.harness.fake_flink import Driven
from tests.harness.fake_kafka import A, B, Kafka, kafka

__all__ = ["kafka"]


def topics(start: Start = "earliest", group: str | None = None, clock: WallClock | None = None) -> Topics:
    return Topics(TopicsSettings(Connection({}), ["t"], start, group), clock)


def ranges(texts: list[str]) -> list[OffsetRange]:
    chunks = [chunk_from_json(text) for text in texts]
    assert all(isinstance(chunk, KafkaChunk) for chunk in chunks)
    return [each for chunk in chunks if isinstance(chunk, KafkaChunk) for each in chunk.ranges]


def test_each_record_is_handed_on_once(kafka: Kafka) -> None:
    driven = Driven(topics())
    kafka.records = {A: 3, B: 1}
    assert ranges(driven.element(0, None)) == [OffsetRange("t", 0, 0, 3), OffsetRange("t", 1, 0, 1)]
    assert driven.element(0, None) == []
    kafka.records[A] = 5
    assert ranges(driven.element(0, None)) == [OffsetRange("t", 0, 3, 5)]


def test_a_restart_goes_on_where_the_checkpoint_was(kafka: Kafka) -> None:
    driven = Driven(topics())
    kafka.records = {A: 3, B: 1}
    driven.element(0, None)
    kafka.records[B] = 2
    assert ranges(driven.restored(topics("latest")).element(0, None)) == [OffsetRange("t", 1, 1, 2)]


def test_from_latest_what_is_there_is_left_out_but_for_partitions_that_come_later(kafka: Kafka) -> None:
    kafka.records = {A: 3}
    driven = Driven(topics("latest"))
    assert driven.element(0, None) == []
    kafka.records = {A: 4, B: 2}
    assert ranges(driven.element(0, None)) == [OffsetRange("t", 0, 3, 4), OffsetRange("t", 1, 0, 2)]


def test_after_a_pause_a_tick_hands_on_few_chunks(kafka: Kafka) -> None:
    kafka.records = {A: 20 * MAX_RECORDS, B: 0}
    chunks = Driven(topics()).element(0, None)
    assert len(chunks) == CHUNKS_A_TICK
    assert all(sum(r["end"] - r["start"] for r in named(text)) <= MAX_RECORDS for text in chunks)


def named(text: str) -> list[dict[str, Any]]:
    return [OffsetRange(*each)._asdict() for each in json.loads(text)["ranges"]]


def test_the_group_is_told_how_far_the_job_is(kafka: Kafka) -> None:
    kafka.records = {A: 3, B: 1}
    Driven(topics(group="g")).element(0, None)
    assert kafka.committed == {A: 3, B: 1}


def test_a_group_that_cannot_be_told_stops_nothing(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka.records = {A: 3, B: 0}
    monkeypatch.setattr(kafka, "commit", Mock(side_effect=GroupAuthorizationFailedError))
    assert ranges(Driven(topics(group="g")).element(0, None)) == [OffsetRange("t", 0, 0, 3)]


def test_without_a_group_nothing_is_committed(kafka: Kafka) -> None:
    kafka.records = {A: 3, B: 1}
    Driven(topics()).element(0, None)
    assert kafka.committed == {}


def test_while_kafka_is_away_nothing_comes_and_it_is_told_once(kafka: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    driven = Driven(topics())
    kafka.records, kafka.is_away = {A: 1, B: 0}, True
    with caplog.at_level(logging.WARNING):
        assert [driven.element(0, None) for _ in range(3)] == [[], [], []]
        kafka.is_away = False
        assert ranges(driven.element(0, None)) == [OffsetRange("t", 0, 0, 1)]
    assert [record.message.split(",")[0] for record in caplog.records] == [
        "Kafka cannot be read",
        "Kafka can be read again",
    ]


def test_the_wall_clock_runs_while_the_topics_are_quiet_but_not_while_kafka_is_away(kafka: Kafka) -> None:
    now = iter(range(0, 100_000, 1_000))
    driven = Driven(topics(clock=WallClock(3_000, 1, lambda: next(now))))
    assert [driven.element(0, None) for _ in range(4)] == [[], [], [], ["3000"]]
    kafka.is_away = True
    assert driven.element(0, None) == []
    kafka.is_away, kafka.records[A] = False, 1
    assert len(ranges(driven.element(0, None))) == 1
