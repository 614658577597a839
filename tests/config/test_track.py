from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.kafka import Secret
from config.load import ConfigError, load
from config.track import FileSink, KafkaSink, KinesisSink, Track

Load = Callable[[str], Track]
KAFKA = "kind: kafka, topic: t, connection: "
SASL = "bootstrap_servers: 'a:1', security_protocol: SASL_SSL, sasl_mechanism: PLAIN, username: me"


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def of(sink: str) -> Track:
        (tmp_path / "c.yaml").write_text("track: {sink: {" + sink + "}}\n", encoding="utf-8")
        return load(tmp_path / "c.yaml").track

    return of


def problems(loaded: Load, sink: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        loaded(sink)
    return [str(problem) for problem in raised.value.problems]


def test_without_a_kind_the_sink_is_files(loaded: Load) -> None:
    assert loaded("").sink == loaded("kind: files").sink == FileSink()
    assert loaded("folder: x").sink == FileSink(folder="x")


def test_a_topic_needs_its_servers_only(loaded: Load) -> None:
    sink = loaded(KAFKA + "{bootstrap_servers: [a:1, '[::1]:2']}").sink
    assert isinstance(sink, KafkaSink)
    assert (sink.topic, sink.connection.bootstrap_servers) == ("t", ("a:1", "[::1]:2"))
    assert sink.connection.security_protocol == "PLAINTEXT"


def test_one_server_may_be_given_without_a_list(loaded: Load) -> None:
    sink = loaded(KAFKA + "{bootstrap_servers: 'localhost:9092'}").sink
    assert isinstance(sink, KafkaSink)
    assert sink.connection.bootstrap_servers == ("localhost:9092",)


def test_a_password_is_named_and_not_written(loaded: Load) -> None:
    sink = loaded(KAFKA + "{" + SASL + ", password: {env: P}}").sink
    assert isinstance(sink, KafkaSink)
    assert sink.connection.password == Secret(env="P")


def test_a_stream_has_a_name_and_perhaps_an_endpoint(loaded: Load) -> None:
    assert loaded("kind: kinesis, stream: s").sink == KinesisSink(stream="s")
    assert loaded("kind: kinesis, stream: s, region: r, endpoint: 'http://127.0.0.1:1'").sink == KinesisSink(
        stream="s", region="r", endpoint="http://127.0.0.1:1"
    )


@pytest.mark.parametrize(
    ("sink", "expected"),
    [
        ("kind: pipe", "track.sink.kind: got 'pipe'; accepted: files, kafka or kinesis"),
        ("kind: [kafka]", "track.sink.kind: got ['kafka']; accepted: files, kafka or kinesis"),
        ("kind: ", "track.sink.kind: got None; accepted: files, kafka or kinesis"),
        ("rotate_bytes: 0", "track.sink.rotate_bytes: got 0; accepted: an integer from 1 to 134217728"),
        ("topic: t", "track.sink.topic: unknown key; known here: kind, folder, rotate_after, rotate_bytes"),
        ("kind: kinesis, steam: s, stream: t", "track.sink.steam: unknown key; did you mean stream?"),
        ("kind: kinesis", "track.sink.stream: must be given; accepted: 1 to 128 letters"),
        ("kind: kinesis, stream: a b", "track.sink.stream: got 'a b'; accepted: 1 to 128 letters"),
        ("kind: kinesis, stream: a, endpoint: 'ftp://x'", "track.sink.endpoint: got 'ftp://x'; accepted: an address"),
        ("kind: kafka, topic: t", "track.sink.connection: must be given; accepted: a mapping with the keys bootstrap_"),
        ("kind: kafka, topic: t, connection: 5", "track.sink.connection: got 5; accepted: a mapping with the keys"),
        (KAFKA + "{bootstrap_servers: 'a:1'}, topc: t", "track.sink.topc: unknown key; did you mean topic?"),
        (KAFKA + "{bootstrap_servers: a}", "track.sink.connection.bootstrap_servers[0]: got 'a': not of the form HOST"),
        (KAFKA + "{bootstrap_servers: 'a:0'}", "got 'a:0': not of the form HOST:PORT; accepted: HOST:PORT, such as"),
        (KAFKA + "{bootstrap_servers: []}", "bootstrap_servers: got []; accepted: HOST:PORT, such as"),
        (KAFKA + "{bootstrap_servers: 'a:1', security_protocol: TLS}", "got 'TLS'; accepted: PLAINTEXT, SSL, SASL_P"),
        (KAFKA + "{bootstrap_servers: 'a:1', username: me}", "connection.username: got 'me': security_protocol PLAINT"),
        (KAFKA + "{" + SASL + "}", "connection.password: got None: security_protocol SASL_SSL needs"),
        (KAFKA + "{" + SASL + ", password: {}}", "password.env: got None: accepted: {env: NAME} or {file: PATH}, one"),
        (KAFKA + "{" + SASL + ", password: {env: A, file: b}}", "password.env: got 'A': accepted: {env: NAME} or"),
    ],
)
def test_a_wrong_sink_is_shown_with_what_is_accepted(loaded: Load, sink: str, expected: str) -> None:
    (problem,) = problems(loaded, sink)
    assert problem.startswith("line 1: ")
    assert expected in problem


@pytest.mark.parametrize(
    "sink",
    [
        KAFKA + "{" + SASL + ", password: hunter2}",
        KAFKA + "{" + SASL + ", password: [hunter2]}",
        KAFKA + "{" + SASL + ", password: {value: hunter2, env: A}}",
        KAFKA + "{password: hunter2}",
        KAFKA + "{bootstrap_servers: 7, password: hunter2}",
        "kind: kafka, connection: {" + SASL + ", password: hunter2}",
        "kind: kafka, connection: {password: {is: hunter2}}",
        "kind: kinesis, connection: {password: hunter2}",
    ],
)
def test_a_password_that_is_written_nevertheless_is_not_shown(loaded: Load, sink: str) -> None:
    found = problems(loaded, sink)
    assert found
    assert "hunter2" not in " ".join(found)


@pytest.mark.parametrize("user", ["me:secret", "me:" + "secret/" * 20, "secret"])
def test_a_password_in_an_address_is_not_shown(loaded: Load, user: str) -> None:
    (problem,) = problems(loaded, f"kind: kinesis, stream: s, endpoint: 'http://{user}@host:1'")
    assert "got 'http" in problem
    assert "host:1" in problem
    assert "secret" not in problem
