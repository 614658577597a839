"""Bytes as no client sends them, through the real server: it answers, never with 500, and goes on to answer others."""

from __future__ import annotations

import gzip
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.track.app import App
from jobs.track.rules import Rules
from tests.jobs.track.conftest import MAX_BYTES, NOW_MS, MemorySink
from tests.jobs.track.served import Failures, served
from tests.jobs.track.test_fuzz import MEMBER, PLAIN, cut
from tests.lambda_learner.events.test_fuzz import BODIES, SHARES, is_object

BODY: Final = BODIES[0]
HEAD: Final = b"POST /track HTTP/1.1\r\nhost: h\r\n"
SECONDS: Final = 20.0  # a server that says nothing for so long has failed to answer
KNOWN: Final = {200, 400, 413, 415}
STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass
class Endpoint:
    sink: MemorySink
    port: int

    def ask(self, raw: bytes) -> int:
        """Send bytes; the status of the first answer. The connection is then given up, whatever else was sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(raw)
            got = b""
            while not (found := STATUS.match(got)):
                more = connection.recv(65_536)
                assert more, f"the connection ends without an answer: {got!r}"
                got += more
        return int(found[1])

    def leave(self, raw: bytes) -> None:
        """Send bytes and go without an answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(raw)

    def assert_well(self) -> None:
        before = len(self.sink.lines)
        assert self.ask(with_length(BODY)) == 200
        assert len(self.sink.lines) == before + 1


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    sink = MemorySink()
    app = App(sink, Rules("strict", MAX_BYTES, 900_000), now_ms=lambda: NOW_MS)
    with Failures() as failures, served(app) as port:
        yield Endpoint(sink, port)
    assert failures.told == []


def with_length(body: bytes, headers: bytes = b"", length: int | None = None) -> bytes:
    return HEAD + headers + b"content-length: %d\r\n\r\n" % (len(body) if length is None else length) + body


def chunked(chunks: tuple[bytes, ...], headers: bytes = b"", end: bytes = b"0\r\n\r\n") -> bytes:
    pieces = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk]
    return HEAD + headers + b"transfer-encoding: chunked\r\n\r\n" + b"".join(pieces) + end


CHUNKS = st.builds(cut, PLAIN, st.lists(SHARES, max_size=5))
GZIP: Final = b"content-encoding: gzip\r\n"
WHOLE = st.one_of(
    st.builds(with_length, PLAIN),
    st.builds(with_length, MEMBER | PLAIN, st.just(GZIP)),
    st.builds(chunked, CHUNKS),
    st.builds(chunked, CHUNKS, end=st.sampled_from([b"0\r\nx-more: 1\r\n\r\n", b"0;a=b\r\n\r\n", b"000\r\n\r\n"])),
)
# No request that HTTP knows, in its framing; the server must not guess where it ends.
BROKEN = st.sampled_from(
    [
        HEAD + b"content-length: -1\r\n\r\n" + BODY,
        HEAD + b"content-length: 1e3\r\n\r\n" + BODY,
        HEAD + b"content-length: " + b"9" * 5_000 + b"\r\n\r\n" + BODY,
        HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n" + BODY,
        HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\n" + gzip.compress(BODY),
        HEAD + b"transfer-encoding: identity\r\n\r\n" + BODY,
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + BODY,
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
        HEAD + b"\r\n" + BODY,
        HEAD + b"x: a\x00b\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        b"POST /track HTTP/3.0\r\n\r\n",
        b"M\xc3\xbcLL / HTTP/1.1\r\n\r\n",
        b"POST /\xff\xfe HTTP/1.1\r\nhost: h\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # the beginning of TLS
    ]
)
ODD_HEADERS: Final = (
    *(b"content-type: \xff\r\n", b"content-encoding: \xc3\xa9\r\n", b"content-encoding: br\r\n", GZIP),
    *(b"x-api-key:\r\n", b"expect: 200-maybe\r\n", b"connection: close\r\n", b"connection: keep-alive, x\r\n"),
    *(b"te: trailers\r\n", b"host: [\r\n", b"host: a\r\n", b"x:" + b"y" * 30_000 + b"\r\n", b"origin: null\r\n"),
)
HEADERS = st.lists(st.sampled_from(ODD_HEADERS), max_size=4).map(b"".join)


@given(raw=WHOLE)
@example(raw=chunked((BODY[:1], BODY[1:])))
def test_a_whole_request_is_answered_and_200_says_stored(endpoint: Endpoint, raw: bytes) -> None:
    before = len(endpoint.sink.lines)
    status = endpoint.ask(raw)
    assert status in KNOWN
    assert len(endpoint.sink.lines) == before + (status == 200)


@given(raw=BROKEN)
def test_what_is_no_http_is_refused_and_stores_nothing(endpoint: Endpoint, raw: bytes) -> None:
    before = len(endpoint.sink.lines)
    assert endpoint.ask(raw) == 400
    endpoint.assert_well()
    assert len(endpoint.sink.lines) == before + 1


@given(headers=HEADERS, body=PLAIN)
def test_any_headers_are_answered(endpoint: Endpoint, headers: bytes, body: bytes) -> None:
    assert endpoint.ask(with_length(body, headers)) in KNOWN


@given(raw=WHOLE, share=SHARES)
def test_a_client_that_leaves_at_any_byte_harms_nobody(endpoint: Endpoint, raw: bytes, share: float) -> None:
    endpoint.leave(raw[: int(share * len(raw))])
    endpoint.assert_well()


@given(raw=st.binary(min_size=1, max_size=60).map(lambda noise: noise + b"\r\n\r\n"))
def test_noise_harms_nobody(endpoint: Endpoint, raw: bytes) -> None:
    endpoint.leave(raw)
    endpoint.assert_well()


@given(body=PLAIN.map(bytes.strip).filter(is_object), share=SHARES)
def test_a_body_that_is_longer_than_its_length_is_never_stored_whole(
    endpoint: Endpoint, body: bytes, share: float
) -> None:
    before = len(endpoint.sink.lines)
    assert endpoint.ask(with_length(body, length=min(int(share * len(body)), len(body) - 1))) in KNOWN
    assert len(endpoint.sink.lines) == before
