"""What the source of topics asks of Kafka, without Kafka: partitions that are numbers of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
from kafka.errors import KafkaConnectionError

from operators.kafka_client import Connection, Start
from operators.offsets import Partition

__all__ = ["A", "B", "Kafka", "kafka"]

A, B = Partition("t", 0), Partition("t", 1)


@dataclass
class Kafka:
    """Partitions by their number of records; the time of arrival of a record is its offset."""

    records: dict[Partition, int]
    committed: dict[Partition, int] = field(default_factory=dict)
    is_away: bool = False
    consumer: Any = field(default_factory=Mock)

    def _answer(self) -> None:
        if self.is_away:
            raise KafkaConnectionError

    def partitions(self) -> list[Partition]:
        self._answer()
        return sorted(self.records)

    def starts(self, partitions: Sequence[Partition], start: Start) -> dict[Partition, int]:
        return {each: self.records[each] if start == "latest" else 0 for each in partitions}

    def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        self._answer()
        return {each: self.records[each] for each in partitions}

    def at_time(self, partitions: Sequence[Partition], time_ms: int) -> Mapping[Partition, int]:
        self._answer()
        return {each: min(self.records[each], time_ms) for each in partitions}

    def commit(self, positions: Mapping[Partition, int]) -> None:
        self.committed = dict(positions)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka({A: 0, B: 0})
    monkeypatch.setattr("operators.topics.KafkaLog", lambda *_: kafka)
    monkeypatch.setattr(Connection, "consumer", lambda *_: kafka.consumer)
    monkeypatch.setattr("operators.topics.LOOK_SECONDS", 0)
    monkeypatch.setattr("operators.topics.COMMIT_SECONDS", 0)
    return kafka
