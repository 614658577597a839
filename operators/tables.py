"""Tables of SQL that are topics of Kafka or streams of Kinesis, as text: what Flink's connectors take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from operators.rows import FIELD, ROW

__all__ = ["KafkaTopic", "TableSink", "create_table", "insert_sql", "kafka_options", "kinesis_options"]

Guarantee = Literal["exactly-once", "at-least-once"]
RECORD_OVERHEAD: Final = 1_024  # bytes of a request with a single record, beside its key and value
_KEYED: Final = ("coefficients", "requests")  # the others have no key
_FIELD, _ROW = (f"U&'\\{ord(mark):04X}'" for mark in (FIELD, ROW))


@dataclass(frozen=True, slots=True)
class TableSink:
    """A table that takes one output. Among its options may be a password."""

    output: str
    options: Mapping[str, str] = field(repr=False)
    max_record_bytes: int

    @property
    def is_keyed(self) -> bool:
        """Whether its records have a key."""
        return "key.format" in self.options


@dataclass(frozen=True, slots=True)
class KafkaTopic:
    """A topic that takes one output. `client` are the options of Kafka's own client; a password may be among them."""

    topic: str
    client: Mapping[str, str] = field(repr=False)
    transactional_id_prefix: str
    transaction_timeout_ms: int
    max_record_bytes: int
    guarantee: Guarantee = "exactly-once"


def create_table(name: str, options: Mapping[str, str], *, keyed: bool) -> str:
    """The statement that declares a table of texts, with a key ahead of each value or without one."""
    columns = "`key` STRING, `value` STRING" if keyed else "`value` STRING"
    given = ",\n".join(f"  {_literal(key)} = {_literal(value)}" for key, value in options.items())
    return f"CREATE TEMPORARY TABLE `{name}` ({columns}) WITH (\n{given}\n)"


def kafka_options(name: str, topic: KafkaTopic) -> dict[str, str]:
    """The options of the table of an output: bytes as they are, a null for a null, so that it removes its key."""
    options = {"connector": "kafka", "topic": topic.topic, "value.format": "raw"}
    if name in _KEYED:
        options |= {"key.format": "raw", "key.fields": "key", "value.fields-include": "EXCEPT_KEY"}
    options["sink.delivery-guarantee"] = topic.guarantee
    if topic.guarantee == "exactly-once":
        options["sink.transactional-id-prefix"] = topic.transactional_id_prefix
        options["properties.transaction.timeout.ms"] = str(topic.transaction_timeout_ms)
    options["properties.max.request.size"] = str(topic.max_record_bytes + RECORD_OVERHEAD)
    return options | {f"properties.{key}": value for key, value in topic.client.items()}


def kinesis_options(arn: str, endpoint: str | None) -> dict[str, str]:
    """The options of a table that is a stream, each value a record; the connector searches credentials as AWS does."""
    region = arn.split(":")[3]
    options = {"connector": "kinesis", "stream.arn": arn, "aws.region": region, "format": "raw"}
    if endpoint is not None:  # a stand-in may not speak HTTP/2
        options |= {"aws.endpoint": endpoint, "sink.http-client.protocol.version": "HTTP1_1"}
    return options


def insert_sql(sink: TableSink, texts: str, table: str) -> str:
    """The statement that sends the texts of an output, a table with the column `text`, to a table."""
    if sink.output == "coefficients":
        query = _coefficients(texts)
    elif sink.output == "dead_letters":
        query = _dead_letters(texts, sink.max_record_bytes)
    else:
        key = "JSON_VALUE(text, '$.model'), " if sink.is_keyed else ""
        query = f"SELECT {key}text FROM `{texts}`"
    return f"INSERT INTO `{table}` {query}"


def _coefficients(texts: str) -> str:
    """Records are key FIELD value, between ROW separators; without a value the key is removed."""
    return (
        f"SELECT SPLIT_INDEX(line, {_FIELD}, 0), NULLIF(SPLIT_INDEX(line, {_FIELD}, 1), '') "
        f"FROM `{texts}` CROSS JOIN UNNEST(SPLIT(text, {_ROW})) AS T(line)"
    )


def _dead_letters(texts: str, max_bytes: int) -> str:
    """A letter that is too long goes without its raw bytes; base64 makes 4 characters of 3 bytes."""
    kept = ("reason", "field", "value", "message", "stage", "position")
    fields = ", ".join(f"KEY '{name}' VALUE JSON_VALUE(text, '$.{name}')" for name in kept)
    fits = f"CHAR_LENGTH(text) <= {max_bytes // 4} OR CHAR_LENGTH(TO_BASE64(text)) <= {max_bytes // 3 * 4}"
    short = f"JSON_OBJECT({fields}, KEY 'characters' VALUE CHAR_LENGTH(text))"
    return f"SELECT CASE WHEN {fits} THEN text ELSE {short} END FROM `{texts}`"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
