from __future__ import annotations

import socket
from pathlib import Path

import pytest

from jobs.ports import LOOPBACK, free_port, free_ports

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server((LOOPBACK, free_port())):
        pass


def test_ports_found_together_are_different() -> None:
    assert len(set(free_ports(50))) == 50


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="Linux alone says which ports outgoing connections get")
def test_no_outgoing_connection_takes_a_port_that_was_found() -> None:
    lowest = int(EPHEMERAL.read_text().split()[0])
    assert max(free_ports(50)) < lowest


def test_an_error_says_that_there_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.ports._RANGE", range(20_000, 20_002))
    with pytest.raises(OSError, match="no 3 free ports of 127.0.0.1 from 20000 to 20002"):
        free_ports(3)
