"""Makes the topics that the job sends to, where they are not there."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from config.kafka import SecretError
from config.sinks import KafkaSinks
from jobs.compacted_topic import COMPACT, cleanup_policy, make_topic
from jobs.job_state import StateError
from jobs.kafka import connection_of

__all__ = ["make_missing"]

CONNECT_MS: Final = 5_000


def make_missing(sinks: KafkaSinks) -> None:
    """Make them; StateError when no broker answers, they may not be made, or coefficients would not be kept."""
    try:
        _make_missing(sinks)
    except (KafkaError, SecretError) as error:
        message = f"stream.sinks.kafka: the topics cannot be looked at or made: {error}"
        raise StateError(message) from error


def _make_missing(sinks: KafkaSinks) -> None:
    connection = connection_of(sinks.connection)
    admin = KafkaAdminClient(**connection.arguments(), bootstrap_timeout_ms=CONNECT_MS, request_timeout_ms=CONNECT_MS)
    with closing(admin):
        there = set(admin.list_topics())
        for name, topic in sinks.topics.items():
            if topic not in there:
                make_topic(admin, topic, compacted=name == "coefficients")
        if sinks.coefficients is not None:
            _check_compacted(admin, sinks.coefficients)


def _check_compacted(admin: KafkaAdminClient, topic: str) -> None:
    policy = cleanup_policy(admin, topic)
    if policy != COMPACT:
        message = (
            f"stream.sinks.kafka.coefficients: {topic} has cleanup.policy {policy}, so coefficients would be lost in "
            "time: set it to compact, or leave the topic for the job to make"
        )
        raise StateError(message)
