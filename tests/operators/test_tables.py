"""The statements that Flink's connectors get, as text."""

from __future__ import annotations

from operators.tables import KafkaTopic, TableSink, create_table, insert_sql, kafka_options, kinesis_options

CLIENT = {"bootstrap.servers": "a:1,b:2", "sasl.jaas.config": "secret"}
ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/letters"
TOPIC = KafkaTopic("learned", CLIENT, "prefix", 900_000, 100_000)


def test_a_keyed_table_is_declared_with_its_options() -> None:
    assert create_table("t", {"connector": "kafka", "topic": "x"}, keyed=True) == (
        "CREATE TEMPORARY TABLE `t` (`key` STRING, `value` STRING) WITH (\n  'connector' = 'kafka',\n  'topic' = 'x'\n)"
    )


def test_a_quote_in_an_option_ends_no_text() -> None:
    assert "'p' = 'a''); DROP'" in create_table("t", {"p": "a'); DROP"}, keyed=False)


def test_coefficients_are_sent_exactly_once_as_keys_and_values() -> None:
    assert kafka_options("coefficients", TOPIC) == {
        "connector": "kafka",
        "topic": "learned",
        "value.format": "raw",
        "key.format": "raw",
        "key.fields": "key",
        "value.fields-include": "EXCEPT_KEY",
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": "prefix",
        "properties.transaction.timeout.ms": "900000",
        "properties.max.request.size": "101024",
        "properties.bootstrap.servers": "a:1,b:2",
        "properties.sasl.jaas.config": "secret",
    }


def test_dead_letters_have_no_key() -> None:
    assert not [name for name in kafka_options("dead_letters", TOPIC) if name.startswith("key")]
    assert "`key`" not in create_table("t", kafka_options("dead_letters", TOPIC), keyed=False)


def test_what_is_sent_at_least_once_has_no_transactions() -> None:
    options = kafka_options("requests", KafkaTopic("r", CLIENT, "prefix", 900_000, 100_000, "at-least-once"))
    assert options["sink.delivery-guarantee"] == "at-least-once"
    assert not [name for name in options if "transaction" in name]


def test_a_topic_that_is_shown_tells_no_secret() -> None:
    sink = TableSink("requests", kafka_options("requests", TOPIC), 9)
    assert "secret" not in f"{TOPIC} {TOPIC!r} {[sink]}"


def statement(output: str, max_record_bytes: int = 9) -> str:
    sink = TableSink(output, kafka_options(output, TOPIC), max_record_bytes)
    return insert_sql(sink, "texts", "t")


def test_a_record_without_a_value_removes_its_key() -> None:
    assert statement("coefficients") == (
        "INSERT INTO `t` SELECT SPLIT_INDEX(line, U&'\\001F', 0), NULLIF(SPLIT_INDEX(line, U&'\\001F', 1), '') "
        "FROM `texts` CROSS JOIN UNNEST(SPLIT(text, U&'\\001E')) AS T(line)"
    )


def test_a_request_has_the_key_of_its_model() -> None:
    assert statement("requests") == "INSERT INTO `t` SELECT JSON_VALUE(text, '$.model'), text FROM `texts`"


def test_a_long_dead_letter_goes_without_its_raw_bytes() -> None:
    sql = statement("dead_letters", 3_000)
    assert "CHAR_LENGTH(text) <= 750 OR CHAR_LENGTH(TO_BASE64(text)) <= 4000 THEN text" in sql
    assert "raw" not in sql


# Kinesis. Its connector is not there on every mirror: its statements are looked at as text.


def test_a_stream_is_declared_by_its_name_alone() -> None:
    assert create_table("t", kinesis_options(ARN, None), keyed=False) == (
        "CREATE TEMPORARY TABLE `t` (`value` STRING) WITH (\n"
        "  'connector' = 'kinesis',\n"
        f"  'stream.arn' = '{ARN}',\n"
        "  'aws.region' = 'eu-west-1',\n"
        "  'format' = 'raw'\n)"
    )


def test_a_stand_in_for_aws_is_spoken_with_over_plain_http() -> None:
    options = kinesis_options(ARN, "http://localhost:4568")
    assert options["aws.endpoint"] == "http://localhost:4568"
    assert options["sink.http-client.protocol.version"] == "HTTP1_1"


def test_a_request_to_a_stream_has_no_key() -> None:
    sink = TableSink("requests", kinesis_options(ARN, None), 9)
    assert insert_sql(sink, "texts", "t") == "INSERT INTO `t` SELECT text FROM `texts`"
