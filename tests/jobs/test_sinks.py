"""What Flink's connectors are told of a configuration's topics and streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kafka.errors import BrokerNotAvailableError

from config.kafka import KafkaConnection, Secret
from config.settings import Settings, Stream
from config.sinks import KafkaSinks, KinesisSinks, Sinks
from jobs.job_state import StateError
from jobs.sinks import client_options, make_topics, sinks_of, some_are_gone

LOGIN = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security"


def connection(**given: Any) -> KafkaConnection:
    return KafkaConnection(bootstrap_servers=("a:1", "b:2"), **given)


def sasl(folder: Path, password: str, mechanism: str = "SCRAM-SHA-512") -> KafkaConnection:
    (folder / "password").write_text(password)
    secret = Secret(file=str(folder / "password"))
    return connection(security_protocol="SASL_SSL", sasl_mechanism=mechanism, username="u", password=secret)


def settings(**topics: Any) -> Settings:
    return Settings(stream=Stream(sinks=Sinks(kafka=KafkaSinks(connection=connection(), **topics))))


def test_a_plain_connection_is_servers_and_a_protocol() -> None:
    assert client_options(connection()) == {"bootstrap.servers": "a:1,b:2", "security.protocol": "PLAINTEXT"}


def test_a_certificate_is_named_by_its_whole_path() -> None:
    options = client_options(connection(security_protocol="SSL", ca_file="ca.pem"))
    assert options["ssl.truststore.type"] == "PEM"
    assert options["ssl.truststore.location"] == str(Path("ca.pem").resolve())


@pytest.mark.parametrize(
    ("mechanism", "module"), [("PLAIN", "plain.PlainLoginModule"), ("SCRAM-SHA-256", "scram.ScramLoginModule")]
)
def test_a_login_names_the_module_of_the_connectors_jar(tmp_path: Path, mechanism: str, module: str) -> None:
    options = client_options(sasl(tmp_path, "it is", mechanism))
    assert options["sasl.mechanism"] == mechanism
    assert options["sasl.jaas.config"] == f'{LOGIN}.{module} required username="u" password="it is";'


def test_no_password_ends_its_text(tmp_path: Path) -> None:
    jaas = client_options(sasl(tmp_path, 'a"; b\\'))["sasl.jaas.config"]
    assert jaas.endswith('password="a\\"; b\\\\";')


def test_a_password_that_is_not_there_is_told_by_its_place() -> None:
    secret = Secret(env="NOT_SET_ANYWHERE")
    wrong = connection(security_protocol="SASL_SSL", sasl_mechanism="PLAIN", username="u", password=secret)
    with pytest.raises(StateError, match="stream.sinks.kafka.connection.password: there is nothing in the environm"):
        client_options(wrong)


def test_each_output_has_transactions_of_the_jobs_own_name() -> None:
    sinks = sinks_of(settings(coefficients="c", dead_letters="d"), "job7", batch=False)
    assert [(sink.output, sink.options["topic"]) for sink in sinks] == [("coefficients", "c"), ("dead_letters", "d")]
    prefixes = [sink.options["sink.transactional-id-prefix"] for sink in sinks]
    assert prefixes == ["lambda-learner-job7-coefficients", "lambda-learner-job7-dead_letters"]
    assert {sink.options["sink.delivery-guarantee"] for sink in sinks} == {"exactly-once"}


def test_a_replay_asks_for_nothing_and_sends_without_transactions() -> None:
    sinks = sinks_of(settings(coefficients="c", requests="r"), "job7", batch=True)
    assert [(sink.output, sink.options["sink.delivery-guarantee"]) for sink in sinks] == [
        ("coefficients", "at-least-once")
    ]


def test_a_sink_that_is_shown_tells_no_password(tmp_path: Path) -> None:
    kafka = KafkaSinks(connection=sasl(tmp_path, "it is"), requests="r")
    sinks = sinks_of(Settings(stream=Stream(sinks=Sinks(kafka=kafka))), "job7", batch=False)
    assert "it is" in sinks[0].options["properties.sasl.jaas.config"]
    assert "it is" not in f"{sinks} {sinks!r} {kafka!r}"


def test_streams_take_what_a_stream_can_hold() -> None:
    kinesis = KinesisSinks(dead_letters="arn:aws:kinesis:eu-west-1:123456789012:stream/letters")
    (sink,) = sinks_of(Settings(stream=Stream(sinks=Sinks(kinesis=kinesis))), "job7", batch=False)
    assert (sink.output, sink.options["connector"], sink.max_record_bytes) == ("dead_letters", "kinesis", 1_000_000)


def test_a_job_without_topics_asks_no_broker() -> None:
    assert sinks_of(Settings(), "job7", batch=False) == []
    make_topics(Settings())


def test_a_broker_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def client(**_: Any) -> None:  # the real one leaves its socket open then
        raise BrokerNotAvailableError

    monkeypatch.setattr("jobs.topic_admin.KafkaAdminClient", client)
    with pytest.raises(StateError, match=r"stream\.sinks\.kafka: the topics cannot be looked at or made: "):
        make_topics(settings(requests="r"))


def test_a_sink_that_is_no_more_is_noticed_and_one_that_is_new_is_not(tmp_path: Path) -> None:
    assert not some_are_gone(tmp_path, Settings())
    assert not some_are_gone(tmp_path, settings(coefficients="c"))
    assert not some_are_gone(tmp_path, settings(coefficients="other", requests="r"))
    assert some_are_gone(tmp_path, settings(coefficients="c"))
    assert some_are_gone(tmp_path, Settings())
    assert not some_are_gone(tmp_path, settings(coefficients="c", requests="r"))
