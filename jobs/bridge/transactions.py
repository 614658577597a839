"""Writes messages to Kafka, all or none: a producer with a transactional id, which waits for nothing for ever.

kafka-python alone would: `commit_transaction` has no limit of time, and while a broker is away nothing in the producer
expires. When anything fails, the producer is given up. The next one with the same id ends the transaction that this
one has left: what was committed stays, and the rest never happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    InvalidRecordError,
    InvalidTimestampError,
    InvalidTopicError,
    InvalidTransactionTimeoutError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
    UnsupportedVersionError,
)

from jobs.bridge.errors import BridgeError
from jobs.bridge.messages import Message

__all__ = ["Transactions", "producer_settings"]

MAX_RECORD_BYTES: Final = 10 << 20  # the largest that a stream can be set to take
ENVELOPE_BYTES: Final = 4_096  # of a request, besides a record and its key
CONNECT_MS: Final = 5_000  # for the first answer of any broker, and for what is known of a topic
START_MS: Final = 15_000  # until the transaction of the one before is ended
SILENCE_SECONDS: Final = 10.0  # without an answer of any broker; a slow one has its time, but not for ever
TRANSACTION_MS: Final = 60_000  # then brokers end one whose bridge is gone; readers wait behind it
BATCH_BYTES: Final = 262_144
CLOSE_SECONDS: Final = 5.0
# No later attempt changes these.
NO_USE: Final = (
    AuthorizationError,
    InvalidRecordError,
    InvalidTimestampError,
    InvalidTopicError,
    InvalidTransactionTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnsupportedForMessageFormatError,
    UnsupportedVersionError,
)


def producer_settings(connection: Mapping[str, Any], transactional_id: str) -> dict[str, Any]:
    """All arguments of kafka-python's producer, from those that say how to connect."""
    return {
        **connection,
        "transactional_id": transactional_id,
        "transaction_timeout_ms": TRANSACTION_MS,
        "acks": "all",
        "allow_auto_create_topics": False,
        "linger_ms": 5,
        "batch_size": BATCH_BYTES,
        "max_request_size": MAX_RECORD_BYTES + ENVELOPE_BYTES,
        "delivery_timeout_ms": TRANSACTION_MS,
        "request_timeout_ms": 5_000,
        "max_block_ms": START_MS,
        "bootstrap_timeout_ms": CONNECT_MS,
        "reconnect_backoff_max_ms": 1_000,
        "retry_backoff_ms": 20,  # a transaction that follows at once is asked for again after so long
        "metrics_enabled": False,
    }


class Transactions:
    """The only producer of its transactional id from here on; KafkaError when it cannot become that."""

    def __init__(self, settings: Mapping[str, Any], *, connect: Callable[..., KafkaProducer] = KafkaProducer) -> None:
        self._producer = connect(**settings)
        try:
            self._producer.init_transactions()
        except KafkaError:
            self.close()
            raise

    def write(self, messages: Sequence[Message]) -> None:
        """Write all of them, or none; KafkaError when that is not known, and then this object is of no more use.

        BridgeError for a message that Kafka does not take.
        """
        self._producer.begin_transaction()
        sent: list[tuple[Message, Any]] = []
        # All must be there before the end of the transaction is asked for: when one fails later than that, the client
        # may begin a new epoch by itself, which drops the transaction, and call it committed.
        try:
            for each in messages:  # after a failure nothing more is taken
                sent.append((each, self._send(each)))
            for _, future in sent:
                future.get(SILENCE_SECONDS)
        except KafkaError as error:
            _raise_refused(sent)  # one failure fails what follows it: the first need not be the cause
            message = f"the records of a transaction did not come through: {error}"
            raise KafkaError(message) from error
        self._commit()

    def close(self) -> None:
        """Leave at once; a transaction that has not ended is ended by the next producer of the id, or by time."""
        self._producer._sender.force_close()  # `close` alone waits for what a broker that is away never answers
        with suppress(KafkaTimeoutError):  # it is of no more use, and its thread ends nevertheless
            self._producer.close(timeout=CLOSE_SECONDS)

    def _send(self, each: Message) -> Any:
        try:
            return self._producer.send(each.topic, each.value, key=each.key, timestamp_ms=each.time_ms)
        except NO_USE as error:
            raise _refused(each, error) from error

    def _commit(self) -> None:
        """What `commit_transaction` does, with a limit of time."""
        ended = self._producer._transaction_manager.begin_commit()
        self._producer._sender.wakeup()
        if not ended.wait(timeout_ms=SILENCE_SECONDS * 1000):
            message = f"no broker has ended the transaction in {SILENCE_SECONDS:.0f} s"
            raise KafkaTimeoutError(message)


def _raise_refused(sent: Sequence[tuple[Message, Any]]) -> None:
    """Raise for the message that no later attempt will bring through, if there is one."""
    for each, future in sent:
        if future.is_done and isinstance(future.exception, NO_USE):
            raise _refused(each, future.exception) from future.exception


def _refused(each: Message, error: KafkaError) -> BridgeError:
    advice = {
        MessageSizeTooLargeError: "; let the topic take it: max.message.bytes",
        InvalidTimestampError: "; let the topic take times so old: message.timestamp.before.max.ms",
    }
    return BridgeError(f"Kafka topic {each.topic} does not take {each.what}: {error}{advice.get(type(error), '')}")
