from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import pytest
import uvicorn

from jobs.track.app import App
from jobs.track.bounded_head import MAX_HEAD_BYTES, MAX_PIPELINED, BoundedHead
from jobs.track.rules import Rules
from jobs.track.server import server_config
from tests.jobs.track.conftest import BODY, MAX_BYTES, NOW_MS, MemorySink
from tests.jobs.track.served import served_by

HEAD: Final = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n" % len(BODY)
REQUEST: Final = HEAD + b"\r\n" + BODY


class Hasty(BoundedHead):
    head_seconds = 0.5  # long enough for what the test sends at once


@contextmanager
def serving(protocol: type[BoundedHead]) -> Iterator[int]:
    app = App(MemorySink(), Rules("strict", MAX_BYTES, 900_000), now_ms=lambda: NOW_MS)
    config = server_config(app)
    config.http = protocol
    with served_by(uvicorn.Server(config)) as port:
        yield port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(BoundedHead) as port:
        yield port


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        yield connection


def status(connection: socket.socket) -> bytes:
    got = connection.recv(65_536)
    while b"}" not in got and b"time." not in got and b"bytes." not in got:
        got += connection.recv(65_536)
    return got[9:12]


def test_a_head_without_an_end_is_refused_and_no_more_of_it_is_read(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"x: " + b"y" * MAX_HEAD_BYTES)
    assert status(connection) == b"400"
    assert connection.recv(1) == b""


@pytest.mark.parametrize("line", [b"POST /", HEAD + b"x"])
def test_a_line_without_an_end_is_refused(connection: socket.socket, line: bytes) -> None:
    connection.sendall(line + b"y" * MAX_HEAD_BYTES)
    assert status(connection) == b"400"


def test_a_head_of_almost_that_size_is_read(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"x: " + b"y" * (MAX_HEAD_BYTES - len(HEAD) - 10) + b"\r\n\r\n" + BODY)
    assert status(connection) == b"200"


def test_many_requests_of_one_connection_are_each_a_head_of_their_own(connection: socket.socket) -> None:
    padded = HEAD + b"x: " + b"y" * 30_000 + b"\r\n\r\n" + BODY
    for _ in range(10):
        connection.sendall(padded[:20_000])
        connection.sendall(padded[20_000:])
        assert status(connection) == b"200"


def test_a_body_is_no_head(connection: socket.socket) -> None:
    body = b"y" * (2 * MAX_HEAD_BYTES)
    connection.sendall(b"OPTIONS / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body))
    for start in range(0, len(body), 10_000):
        connection.sendall(body[start : start + 10_000])
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    connection.sendall(REQUEST)
    assert status(connection) == b"200"


CHUNKED: Final = b" / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize("method", [b"POST", b"OPTIONS"])
@pytest.mark.parametrize("trailer", [b"x: y\r\n", b"y"])
def test_trailers_without_an_end_are_refused(connection: socket.socket, method: bytes, trailer: bytes) -> None:
    connection.sendall(method + CHUNKED + b"0\r\nx: y\r\nz: ")
    with suppress(ConnectionError):
        for _ in range(100):
            connection.sendall(trailer * (MAX_HEAD_BYTES // len(trailer)))
        pytest.fail("all of them were read")


def test_trailers_of_a_chunked_body_are_read(connection: socket.socket) -> None:
    connection.sendall(b"POST" + CHUNKED + b"0\r\nx: " + b"y" * 30_000 + b"\r\n\r\n")
    assert status(connection) == b"200"
    connection.sendall(REQUEST)
    assert status(connection) == b"200"


def test_a_body_in_the_smallest_chunks_is_no_trailer(connection: socket.socket) -> None:
    connection.sendall(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")
    padded = BODY + b" " * (MAX_BYTES - 100 - len(BODY))
    chunks = b"".join(b"%x;%s\r\n%c\r\n" % (1, b"e" * 20, byte) for byte in padded)
    assert len(chunks) > 2 * MAX_HEAD_BYTES
    connection.sendall(chunks + b"0\r\n\r\n")
    assert status(connection) == b"200"


def test_requests_that_do_not_wait_for_answers_are_answered_in_turn(connection: socket.socket) -> None:
    connection.sendall(REQUEST * MAX_PIPELINED)
    got = b""
    while got.count(b"success") < MAX_PIPELINED:
        got += connection.recv(65_536)
    assert got.count(b"HTTP/1.1 200") == MAX_PIPELINED


def test_too_many_requests_at_once_end_the_connection(connection: socket.socket) -> None:
    connection.sendall(REQUEST * (MAX_PIPELINED + 2))
    assert connection.recv(65_536).startswith(b"HTTP/1.1 400")


def test_a_body_that_nobody_reads_has_to_come_in_time() -> None:
    with serving(Hasty) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"OPTIONS / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"y")
        assert status(connection) == b"400"
        assert connection.recv(1) == b""


@pytest.mark.parametrize("begun", [b"", b"P", HEAD])
def test_a_head_that_does_not_come_ends_the_connection(begun: bytes) -> None:
    with serving(Hasty) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(begun)
        assert status(connection) == b"400"
        assert connection.recv(1) == b""


def test_a_second_head_has_to_come_in_time_too() -> None:
    with serving(Hasty) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(REQUEST)
        assert status(connection) == b"200"
        connection.sendall(HEAD)
        assert status(connection) == b"400"


def test_a_body_may_take_longer_than_a_head() -> None:
    with serving(Hasty) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(HEAD + b"\r\n" + BODY[:9])
        time.sleep(2 * Hasty.head_seconds)
        connection.sendall(BODY[9:])
        assert status(connection) == b"200"
