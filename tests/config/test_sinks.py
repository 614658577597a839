"""The section of the sinks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.load import ConfigError, load
from config.settings import Stream
from config.sinks import KafkaSinks

Load = Callable[[str], Stream]
CONNECTION = "connection: {bootstrap_servers: 'a:1'}"
EXAMPLE = Path(__file__).parents[2] / "config" / "example.yaml"


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def of(section: str) -> Stream:
        (tmp_path / "c.yaml").write_text(f"stream: {{{section}}}\n", encoding="utf-8")
        return load(tmp_path / "c.yaml").stream

    return of


@pytest.fixture
def kafka(loaded: Load) -> Callable[[str], KafkaSinks]:
    def of(section: str) -> KafkaSinks:
        found = loaded(f"sinks: {{kafka: {{{CONNECTION}, {section}}}}}").sinks.kafka
        assert found is not None
        return found

    return of


@pytest.mark.parametrize("section", ["", "sinks: {}", "sinks: {kafka: }"])
def test_a_job_needs_no_sinks(loaded: Load, section: str) -> None:
    assert loaded(section).sinks.kafka is None


def test_what_has_a_topic_is_sent(kafka: Callable[[str], KafkaSinks]) -> None:
    assert kafka("requests: r, coefficients: c").topics == {"coefficients": "c", "requests": "r"}


def test_a_transaction_lasts_as_long_as_brokers_allow_by_default(kafka: Callable[[str], KafkaSinks]) -> None:
    assert kafka("requests: r").transaction_timeout_ms == 900_000


def test_a_record_fits_what_brokers_take_by_default(kafka: Callable[[str], KafkaSinks]) -> None:
    assert kafka("requests: r").max_record_bytes < 1_048_588


def test_the_example_in_comments_has_all_outputs(loaded: Load) -> None:
    lines = EXAMPLE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  # sinks:"))
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("  #"))
    (section,) = yaml.safe_load("\n".join(line.removeprefix("  # ") for line in lines[start:end])).values()
    text = yaml.safe_dump({"sinks": section}, default_flow_style=True, width=10_000).strip()
    found = loaded(text[1:-1]).sinks.kafka
    assert found is not None
    assert set(found.topics) == {"coefficients", "dead_letters", "requests"}
    topics: Any = found.topics
    assert found == KafkaSinks(connection=found.connection, **topics)  # the others as they are by default


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("coefficients: a b", "stream.sinks.kafka.coefficients: got 'a b': no name of a topic; accepted: 1 to 249 le"),
        ("letters: x", "stream.sinks.kafka.letters: unknown key; did you mean dead_letters?"),
        ("", "stream.sinks.kafka.coefficients: got None: nothing is sent; give a topic to one of coefficients, dead_l"),
        ("coefficients: a, requests: a", "stream.sinks.kafka.requests: got 'a': another output has this topic"),
        ("requests: r, transaction_timeout: 5 s", "got '5 s'; accepted: a duration of at least 1 minute, such as 15 m"),
        ("requests: r, max_record_bytes: 1", "got 1; accepted: an integer from 10000 to 16777216"),
    ],
)
def test_what_is_wrong_is_shown_with_what_is_accepted(loaded: Load, section: str, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(f"sinks: {{kafka: {{{CONNECTION}, {section}}}}}")
    (problem,) = raised.value.problems
    assert expected in str(problem)


def test_a_password_is_named_and_never_shown(loaded: Load) -> None:
    connection = "connection: {bootstrap_servers: 'a:1', security_protocol: SASL_SSL, username: u, password: secret}"
    with pytest.raises(ConfigError, match="a password is not written here") as raised:
        loaded(f"sinks: {{kafka: {{{connection}, requests: r}}}}")
    assert "secret" not in str(raised.value)


def kinesis(loaded: Load, section: str) -> Stream:
    return loaded(f"sinks: {{kinesis: {{{section}}}}}")


def test_a_stream_of_kinesis_is_named_by_its_arn(loaded: Load) -> None:
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/a.b"
    found = kinesis(loaded, f"requests: '{arn}'").sinks.kinesis
    assert found is not None
    assert found.streams == {"requests": arn}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("requests: asked", "stream.sinks.kinesis.requests: got 'asked'; accepted: an ARN such as arn:aws:kinesis:eu"),
        ("endpoint: 'http://a'", "stream.sinks.kinesis.dead_letters: got None: nothing is sent; give a stream to one"),
        ("coefficients: c", "stream.sinks.kinesis.coefficients: unknown key; known here: dead_letters, requests, end"),
    ],
)
def test_what_is_wrong_with_a_stream_is_shown(loaded: Load, section: str, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        kinesis(loaded, section)
    assert expected in str(raised.value)
