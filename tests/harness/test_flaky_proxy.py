from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.ports import LOOPBACK
from tests.harness.flaky_proxy import FlakyProxy


class Echo(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def proxy() -> Iterator[FlakyProxy]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with FlakyProxy(server.server_address[1]) as proxy:
        yield proxy
    server.shutdown()
    thread.join()
    server.server_close()


def put(proxy: FlakyProxy, body: bytes) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(proxy.address, body, method="PUT"), timeout=30) as answer:
        return bytes(answer.read())


def test_bytes_are_passed_on_and_back(proxy: FlakyProxy) -> None:
    body = bytes(range(256)) * 4096
    assert put(proxy, body) == body
    proxy.be("slow")
    assert put(proxy, b"slowly") == b"slowly"


def test_an_unavailable_server_is_told_as_such_and_comes_back(proxy: FlakyProxy) -> None:
    proxy.be("unavailable")
    with pytest.raises(urllib.error.HTTPError) as refused:
        put(proxy, bytes(1 << 20))
    with refused.value as answer:
        assert (answer.code, answer.read()[:22]) == (503, b"<Error><Code>SlowDown<")
    assert proxy.refused == 1
    proxy.be("pass")
    assert put(proxy, b"again") == b"again"


def test_a_server_that_is_gone_is_a_connection_that_ends() -> None:
    with FlakyProxy(1) as proxy, pytest.raises(OSError):
        put(proxy, b"anybody?")
