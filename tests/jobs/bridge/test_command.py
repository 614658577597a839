"""The command where it cannot begin: a message, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cli import main

SINK = "{topic: t, connection: {bootstrap_servers: 'localhost:1', security_protocol: SASL_SSL, "
SASL = "sasl_mechanism: PLAIN, username: me, password: {env: NO_SUCH_PASSWORD}}}"


def told(capsys: pytest.CaptureFixture[str], config: Path, text: str) -> str:
    config.write_text(text)
    with pytest.raises(SystemExit) as raised:
        main(["bridge", "--config", str(config)])
    assert raised.value.code == 2
    return capsys.readouterr().err


def test_a_configuration_without_a_bridge_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = told(capsys, tmp_path / "c.yaml", "project: demo\n")
    assert err == (
        "lambda-learner: bridge: the configuration has no such section; it needs source.stream, sink.connection, "
        "sink.topic\n"
    )


def test_a_password_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = told(capsys, tmp_path / "c.yaml", f"bridge: {{source: {{stream: s}}, sink: {SINK}{SASL}}}\n")
    assert "bridge.sink.connection.password: there is nothing in the environment variable NO_SUCH_PASSWORD" in err
