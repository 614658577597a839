"""The services themselves: where they are found, and how they end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.services.found import service
from deploy.services.process import Process, ServiceError, listens
from tests.harness.job import ROOT
from tests.harness.services import without

pytestmark = pytest.mark.services


def test_a_service_that_the_environment_names_is_used(tmp_path: Path) -> None:
    with service("kafka", tmp_path, {"KAFKA_BOOTSTRAP": "elsewhere:9092"}) as address:
        assert address == "elsewhere:9092"
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_cannot_be_had_is_told_with_what_would_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ServiceError, match="needs Node with npm.* or moto.*no container.*set KINESIS_ENDPOINT"):
        service("kinesis", tmp_path, {}).__enter__()


def test_a_missing_service_is_no_success_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="kafka: no broker"):
        without("kafka", ServiceError("no broker"))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="kafka: no broker"):
        without("kafka", ServiceError("no broker"))


def test_a_process_that_ends_before_it_is_ready_is_told_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with pytest.raises(ServiceError, match="no such thing"):
        Process(command, tmp_path, ready=lambda _: False, environ={}).start()


def test_services_are_started_by_a_command_and_end_with_it() -> None:
    command = [sys.executable, "-m", "deploy.services", "kinesis"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name, _, address = process.stdout.readline().strip().partition("=")
        port = int(address.rpartition(":")[2])
        assert (name, listens(port)) == ("KINESIS_ENDPOINT", True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not listens(port)


@pytest.mark.parametrize("names", [[], ["kafka", "oracle"]])
def test_a_service_that_is_not_known_is_told(names: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.services", *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "of kafka, kinesis" in done.stderr
