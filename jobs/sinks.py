"""Whereto the job sends its outputs, as Flink's connectors take it; topics are made in `topic_admin.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from config.kafka import KafkaConnection, SecretError
from config.settings import Settings
from config.sinks import KafkaSinks, KinesisSinks
from jobs.job_state import StateError
from operators.tables import KafkaTopic, TableSink, kafka_options, kinesis_options

__all__ = ["client_options", "make_topics", "sinks_of", "some_are_gone"]

KINESIS_RECORD_BYTES: Final = 1_000_000  # of a record; streams take 1 MiB, unless they are told to take more
_SHADED: Final = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"  # where the connector's jar has it
_LOGIN: Final = {"PLAIN": "plain.PlainLoginModule"}  # all others: SCRAM


def sinks_of(settings: Settings, owner_id: str, *, batch: bool) -> list[TableSink]:
    """Whereto each output is sent. A job's transactions have its own name, so a restart ends them.

    A replay has no checkpoints that would commit transactions in time: it sends without them. It asks for nothing.
    """
    sinks = settings.stream.sinks
    found = [] if sinks.kafka is None else _topics(sinks.kafka, owner_id, batch=batch)
    found += [] if sinks.kinesis is None else _streams(sinks.kinesis)
    return [sink for sink in found if not (batch and sink.output == "requests")]


def _topics(sinks: KafkaSinks, owner_id: str, *, batch: bool) -> list[TableSink]:
    client = client_options(sinks.connection)
    topics = {
        name: KafkaTopic(
            topic,
            client,
            transactional_id_prefix=f"lambda-learner-{owner_id}-{name}",
            transaction_timeout_ms=sinks.transaction_timeout_ms,
            max_record_bytes=sinks.max_record_bytes,
            guarantee="at-least-once" if batch else "exactly-once",
        )
        for name, topic in sinks.topics.items()
    }
    return [TableSink(name, kafka_options(name, topic), topic.max_record_bytes) for name, topic in topics.items()]


def _streams(sinks: KinesisSinks) -> list[TableSink]:
    streams = sinks.streams.items()
    return [TableSink(name, kinesis_options(arn, sinks.endpoint), KINESIS_RECORD_BYTES) for name, arn in streams]


def some_are_gone(state: Path, settings: Settings) -> bool:
    """Whether an earlier run with this state folder had a sink that is not among these; keeps what there was.

    Flink refuses a checkpoint with the state of an operator that is no more, unless it is told to leave that behind. It
    is told so then alone: a state of ours that lost its operator must be noticed.
    """
    path = state / "sinks.json"
    now = {f"{sink.output} {sink.options['connector']}" for sink in sinks_of(settings, "", batch=False)}
    before = set(json.loads(path.read_text())) if path.exists() else set()
    if now - before:
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(sorted(now | before)))
        partial.replace(path)
    return bool(before - now)


def client_options(connection: KafkaConnection) -> dict[str, str]:
    """The options of Java's client, with the password: not for a log. Raises StateError where it cannot be read."""
    options = {"bootstrap.servers": ",".join(connection.bootstrap_servers)}
    options["security.protocol"] = connection.security_protocol
    if connection.ca_file is not None:
        options |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(Path(connection.ca_file).resolve())}
    if connection.sasl_mechanism is not None:
        options |= {"sasl.mechanism": connection.sasl_mechanism, "sasl.jaas.config": _jaas(connection)}
    return options


def _jaas(connection: KafkaConnection) -> str:
    assert connection.password is not None, "the configuration has all of SASL or none"
    try:
        password = connection.password.read()
    except SecretError as error:
        message = f"stream.sinks.kafka.connection.password: {error}"
        raise StateError(message) from error
    module = _LOGIN.get(str(connection.sasl_mechanism), "scram.ScramLoginModule")
    return f"{_SHADED}.{module} required username={_quoted(connection.username or '')} password={_quoted(password)};"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def make_topics(settings: Settings) -> None:
    """Make the topics that are not there, that of coefficients compacted; StateError where they cannot be used."""
    sinks = settings.stream.sinks.kafka
    if sinks is not None:
        from jobs.topic_admin import make_missing  # noqa: PLC0415 - a job without topics does without Kafka's client

        make_missing(sinks)
