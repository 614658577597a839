from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from deploy.services.process import listens
from jobs.demo_kafka.board import Screen
from jobs.demo_kafka.parts import Part, PartEnded
from jobs.demo_kafka.session import Interrupted
from jobs.demo_kafka.story import tell
from jobs.ports import free_port


@pytest.fixture
def stopped() -> threading.Event:
    stop = threading.Event()
    stop.set()
    return stop


def test_a_demo_that_is_stopped_at_once_has_started_nothing(tmp_path: Path, stopped: threading.Event) -> None:
    with pytest.raises(Interrupted):
        tell(tmp_path / "demo", 1.0, Screen(), stopped)
    assert not (tmp_path / "demo").exists()


def test_files_of_the_demo_before_are_gone(tmp_path: Path, stopped: threading.Event) -> None:
    (tmp_path / "demo" / "state").mkdir(parents=True)
    with pytest.raises(Interrupted):
        tell(tmp_path / "demo", 1.0, Screen(), stopped)
    assert not (tmp_path / "demo").exists()


def test_a_part_runs_until_the_context_ends(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "config.yaml"
    config.write_text(f"track: {{port: {port}, sink: {{kind: files, folder: {tmp_path / 'events'}}}}}")
    with Part("track", ("track", "--config", str(config)), tmp_path) as part:
        while not listens(port):
            part.check()
            time.sleep(0.05)
        assert os.getpgid(part.pid) == part.pid  # an interrupt of the terminal does not reach it
    assert not listens(port)
    assert "listening" in part.log.read_text()
    part.stop()


def test_a_part_that_ends_by_itself_is_told_of_with_what_it_said(tmp_path: Path) -> None:
    message = r"job has ended with code 2(.|\n)*there is no such file"
    run = Part("job", ("run", "--config", str(tmp_path / "none.yaml")), tmp_path)
    with run as part, pytest.raises(PartEnded, match=message):
        while True:
            part.check()
            time.sleep(0.05)
