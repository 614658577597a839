"""Requests as nobody means them, in the application: each is answered, once, never with 500, and 200 says stored."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from jobs.track.app import App
from jobs.track.outcome import Outcome
from jobs.track.room import Room
from jobs.track.rules import Rules
from lambda_learner.events import BadRecord
from lambda_learner.events.accept import Acceptance
from tests.jobs.track.conftest import MemorySink, Server
from tests.lambda_learner.events.test_fuzz import BODIES, NOW_MS, SHARES, mutated

MAX_BYTES: Final = 3_000
ROOM_BYTES: Final = 10 * MAX_BYTES
BOMB: Final = gzip.compress(b" " * 10_000_000, mtime=0)
CODINGS: Final = [None, "", "identity", "IDENTITY", "gzip", " GZip ", "gzip, gzip", "x-gzip", "deflate", "br", "é", "*"]
LENGTHS: Final = [None, "", "0", "-1", "1e3", " 7", "7 ", "٣", str(MAX_BYTES + 1), "9" * 19, "9" * 5_000]
METHODS: Final = ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "TRACE", "M-SEARCH", "post"]
PATHS: Final = [
    "/",
    "/track",
    "",
    "//",
    "/a/../b",
    "/%00",
    "/\ud800",
    "/" + "a" * 10_000,
    "/health/",
    "*",
    "http://h/p",
]


@dataclass(frozen=True)
class Sent:
    """A request; `chunks` are its body."""

    chunks: tuple[bytes, ...]
    coding: str | None = None
    length: str | None = None
    method: str = "POST"
    path: str = "/"

    @property
    def headers(self) -> dict[str, str]:
        named = {"content-encoding": self.coding, "content-length": self.length}
        return {name: value for name, value in named.items() if value is not None}


def garbled(packed: bytes, share: float, bits: int) -> bytes:
    at = int(share * len(packed))
    return packed[:at] + bytes(byte ^ bits for byte in packed[at : at + 1]) + packed[at + 1 :]


def cut(data: bytes, shares: list[float]) -> tuple[bytes, ...]:
    """The same bytes in pieces, empty ones too."""
    places = [0, *sorted(int(share * len(data)) for share in shares), len(data)]
    return tuple(data[start:end] for start, end in zip(places, places[1:], strict=False))


PLAIN = mutated() | st.sampled_from(BODIES) | st.binary(max_size=50)
MEMBER = st.builds(lambda body, level: gzip.compress(body, level, mtime=0), PLAIN, st.integers(0, 9))
PACKED = st.one_of(
    MEMBER,
    st.builds(lambda one, other: one + other, MEMBER, MEMBER | st.binary(max_size=9)),
    st.builds(lambda one, share: one[: int(share * len(one))], MEMBER, SHARES),
    st.builds(garbled, MEMBER, SHARES, st.integers(1, 255)),
    st.builds(zlib.compress, PLAIN),
    st.sampled_from([BOMB, BOMB[:500], gzip.compress(BOMB), b"\x1f\x8b", b""]),
)
CHUNKS = st.builds(cut, PLAIN | PACKED, st.lists(SHARES, max_size=5))
REQUESTS = st.builds(
    Sent,
    CHUNKS,
    coding=st.sampled_from(CODINGS) | st.text(max_size=5),
    length=st.sampled_from(LENGTHS),
    method=st.sampled_from(METHODS),
    path=st.sampled_from(PATHS) | st.text(max_size=9),
)
LIKELY = st.builds(Sent, CHUNKS, coding=st.sampled_from([None, "gzip"]))


def expected_status(sent: Sent, rules: Rules) -> int:
    """The answer, told from all of the body at once, and unpacked by the library's own reader of files."""
    body, coding = b"".join(sent.chunks), (sent.coding or "identity").strip().lower()
    declared = sent.length or ""
    if declared.isascii() and declared.isdigit() and (len(declared) > 9 or int(declared) > MAX_BYTES):
        return 413
    if coding not in ("identity", "gzip"):
        return 415 if coding else _status_of(body, rules)
    if coding == "identity":
        return _status_of(body, rules)
    decoder = zlib.decompressobj(31)
    try:
        plain = decoder.decompress(body)
    except zlib.error:
        return 400
    if not decoder.eof or decoder.unused_data:
        return 400
    return 413 if len(body) > MAX_BYTES else _status_of(plain, rules)


def _status_of(body: bytes, rules: Rules) -> int:
    if len(body) > MAX_BYTES:
        return 413
    try:
        rules.event(body, NOW_MS)
    except BadRecord as bad:
        return 413 if bad.reason == "too_large" else 400
    return 200


def assert_answered(sent: Sent, acceptance: Acceptance) -> None:
    rules, sink, room, outcomes = Rules(acceptance, MAX_BYTES, 900_000), MemorySink(), Room(ROOM_BYTES), list[Outcome]()
    app = App(sink, rules, observers=[outcomes.append], room=room, now_ms=lambda: NOW_MS)
    answer = Server(sink, app).ask(sent.chunks, method=sent.method, path=sent.path, headers=sent.headers)
    expected = expected_status(sent, rules)
    # A body that is both too large and no gzip may be refused for either: whichever the pieces show first.
    assert answer.status == expected or {answer.status, expected} == {400, 413}
    assert len(sink.lines) == (answer.status == 200)
    assert [outcome.status for outcome in outcomes] == [answer.status]
    assert bool(outcomes[0].reason) == (answer.status != 200)
    assert room.free_bytes == ROOM_BYTES
    assert answer.headers["access-control-allow-origin"] == "*"
    if answer.status != 200:
        assert list(json.loads(answer.body)["error"]) == ["message"]


@given(LIKELY, st.sampled_from(["strict", "original"]))
@example(Sent((gzip.compress(BODIES[0]),), coding="gzip"), "strict")
@example(Sent((BOMB,), coding="gzip"), "strict")
@example(Sent((gzip.compress(BODIES[0]) + gzip.compress(BODIES[1]),), coding="gzip"), "original")
def test_any_body_is_answered_as_if_it_were_read_at_once(sent: Sent, acceptance: Acceptance) -> None:
    assert_answered(sent, acceptance)


@given(REQUESTS, st.sampled_from(["strict", "original"]))
@example(Sent((BODIES[0],), length="9" * 5_000), "strict")
def test_any_headers_method_and_path_are_answered(sent: Sent, acceptance: Acceptance) -> None:
    assert_answered(sent, acceptance)
