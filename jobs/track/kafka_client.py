"""The settings of the sink's producer."""

from __future__ import annotations

from typing import Any, Final

from config.kafka import KafkaConnection
from jobs.kafka import connection_of

__all__ = ["ANSWER_MS", "CLOSE_SECONDS", "producer_settings"]

ANSWER_MS: Final = 5_000  # then a client is told to try again: most changes of a leader are over, and it still waits
REQUEST_MS: Final = 2_000  # a broker that hangs is left so early that its requests can be sent once more
CONNECT_MS: Final = 2_000  # for the first answer of any broker, and for what is known of the topic
CLOSE_SECONDS: Final = (ANSWER_MS + REQUEST_MS) / 1000  # all that the producer has is acknowledged or has failed
LINGER_MS: Final = 2  # a batch gathers so long unless one is on its way; a write to a broker takes as long
BATCH_BYTES: Final = 262_144  # of a partition in one request: what comes in the time of a slow answer
METADATA_MS: Final = 5_000  # a partition that was added has its heartbeats after so long
RECONNECT_MS: Final = 1_000  # at most between two attempts to reach a broker that was away
ENVELOPE_BYTES: Final = 1_024  # of a request, besides a line


def producer_settings(connection: KafkaConnection, max_message_bytes: int) -> dict[str, Any]:
    """All arguments of kafka-python's producer; SecretError when the password is not where it should be."""
    return connection_of(connection).arguments() | {
        "acks": "all",
        "enable_idempotence": True,
        "allow_auto_create_topics": False,
        "linger_ms": LINGER_MS,
        "batch_size": BATCH_BYTES,
        "max_request_size": max(1 << 20, max_message_bytes + ENVELOPE_BYTES),
        "delivery_timeout_ms": ANSWER_MS,
        "request_timeout_ms": REQUEST_MS,
        "max_block_ms": CONNECT_MS,
        "bootstrap_timeout_ms": CONNECT_MS,
        "metadata_max_age_ms": METADATA_MS,
        "reconnect_backoff_max_ms": RECONNECT_MS,
        "metrics_enabled": False,  # nobody reads them, and they cost a tenth of the time
    }
