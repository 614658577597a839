"""The application behind its server: what only real connections show."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import pytest

from jobs.track.admission import Admission
from jobs.track.keys import KeyRing
from jobs.track.sink import NotStoredError
from tests.jobs.track.conftest import BODY, MAX_BYTES, MemorySink, Server, api_key
from tests.jobs.track.served import served


def until(true: Callable[[], object]) -> None:
    """Wait until something is true; pytest's own limit ends a test that waits in vain."""
    while not true():
        time.sleep(0.001)


def answer_to(port: int, request: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def post(
    body: bytes = BODY,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    path: str = "/",
    close: bool = True,
) -> bytes:
    fields = {"host": "localhost", "content-length": str(len(body)), **(headers or {})}
    fields |= {"connection": "close"} if close else {}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body


def guard() -> Admission:
    ring = KeyRing([api_key("good"), api_key("slow", requests_per_second=0.001, burst=1)])
    return Admission(SimpleNamespace(ring=ring))


def assert_readable_by_any_page(answer: bytes, status: int) -> None:
    head = answer.split(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 %d " % status)
    assert head.count(b"access-control-allow-origin: *") == 1
    assert head.count(b"access-control-expose-headers: retry-after") == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post(), 200),
        (post(b"", method="OPTIONS"), 200),
        (post(b"", method="GET", path="/health"), 200),
        (post(b"", method="HEAD", path="/ready"), 200),
        (post(b"{"), 400),
        (post(headers={"content-encoding": "br"}), 415),
        (post(headers={"content-length": str(MAX_BYTES + 1)}), 413),
        (post(b" " * 1_000 + BODY, {"content-encoding": "gzip"}), 400),
        (b"\x16\x03\x01\x02\x00 no HTTP\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", 400),
    ],
)
def test_every_answer_has_the_headers_of_cors_once(server: Server, request_: bytes, status: int) -> None:
    with served(server.app) as port:
        assert_readable_by_any_page(answer_to(port, request_), status)


@pytest.mark.parametrize(("error", "status"), [(NotStoredError("full"), 503), (KeyError("a bug"), 500)])
def test_so_have_those_to_what_fails(serving: Callable[..., Server], error: Exception, status: int) -> None:
    server = serving(MemorySink(full=error))
    with served(server.app) as port:
        assert_readable_by_any_page(answer_to(port, post()), status)
        server.sink.full = None
        assert_readable_by_any_page(answer_to(port, post()), 200)


def test_so_have_those_to_who_has_no_key_or_sends_too_often(serving: Callable[..., Server]) -> None:
    with served(serving(admission=guard()).app) as port:
        for key, status in ({}, 401), ({"X-Api-Key": "good"}, 200), ({"x-api-key": "slow"}, 200):
            assert_readable_by_any_page(answer_to(port, post(headers=key)), status)
        assert_readable_by_any_page(answer_to(port, post(headers={"x-api-key": "slow"})), 429)


def test_who_has_no_key_may_not_go_on_sending(serving: Callable[..., Server]) -> None:
    with served(serving(admission=guard()).app) as port:
        answer = answer_to(port, post(b"[", {"content-length": "9999"}, close=False))
        assert answer.startswith(b"HTTP/1.1 401 ")


def test_a_connection_goes_on_after_a_request_that_came_too_often(serving: Callable[..., Server]) -> None:
    slow, good = post(headers={"x-api-key": "slow"}, close=False), post(headers={"x-api-key": "good"})
    with served(serving(admission=guard()).app) as port:
        answers = answer_to(port, slow + slow + good)
    assert [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]] == [200, 429, 200]


def test_a_client_that_leaves_within_its_body_has_an_outcome(server: Server) -> None:
    with served(server.app) as port:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(post(b"12345", {"content-length": "9"}))
        until(lambda: server.outcomes)
    assert server.outcome[2:6] == (0, "disconnected", None, 5)
    assert server.sink.lines == []


def test_a_path_is_told_without_its_query(server: Server) -> None:
    with served(server.app) as port:
        answer_to(port, post(path="/a%0Ab?secret=1"))
    assert server.outcome.path == "/a\nb"
