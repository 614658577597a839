"""From the settings of Kafka to what the job's source takes."""

from __future__ import annotations

from config.kafka import KafkaConnection
from config.source import KafkaSource
from operators.kafka_client import Connection, TopicsSettings

__all__ = ["connection_of", "topics_settings"]


def connection_of(settings: KafkaConnection) -> Connection:
    """How kafka-python's clients connect; the password stays where it is."""
    options = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "security_protocol": settings.security_protocol,
        "ssl_cafile": settings.ca_file,
    }
    if settings.password is not None:
        options |= {"sasl_mechanism": settings.sasl_mechanism, "sasl_plain_username": settings.username}
    return Connection(options, settings.password)


def topics_settings(source: KafkaSource) -> TopicsSettings:
    """What the source reads."""
    return TopicsSettings(connection_of(source.connection), source.topics, source.start, source.group)
