"""Bodies as nobody means them: the decoder refuses them with a BadRecord, or takes them as the job does.

Every body here begins as a real one and is then cut, flipped, spliced or overgrown; `test_accept.py` has the laws of
bodies that are only wrong in their values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_learner.events import BadRecord, Heartbeat, decode, ksuid
from lambda_learner.events.accept import Acceptance, Stored, stored

NOW_S: Final = 1_795_406_033
NOW_MS: Final = NOW_S * 1000
ID: Final = ksuid.encode(NOW_S, b"decision-0000001")
OTHER: Final = ksuid.encode(NOW_S, b"decision-0000002")
AHEAD: Final = ksuid.encode(NOW_S + 3_600, bytes(16))
# As the clients of the protocol send them (improve_protocol.md §2), and a training record.
REAL: Final[list[dict[str, Any]]] = [
    {"message_id": ID, "model": "songs", "item": {"genre": "rock", "tempo": 120}, "count": 8, "sample": "plain string"},
    {"type": "decision", "model": "songs", "count": 1, "message_id": ID, "item": None, "context": None},
    {"message_id": OTHER, "model": "songs", "reward": 1.0, "decision_id": ID},
    {"type": "decision", "message_id": ID, "model": "m", "variant": {"$value": 1}, "count": 4, "runners_up": [{}, 2]},
    {
        "type": "record",
        "message_id": ID,
        "model": "m",
        "entity": ["u", 7],
        "label": 1,
        "features": [{"name": "a", "term": None, "value": 0.5}],
    },
]
BODIES: Final = [json.dumps(fields).encode() for fields in REAL]
NAMES: Final = sorted({name for fields in REAL for name in fields} | {"received_at", "time"})
NUMBERS: Final = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e-400", b"-0", b"-0.0", b"01", b"1.", b".5", b"+1"),
    *(b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809", b"9" * 400, b"1" * 5_000),
)
TEXTS: Final = (
    *(rb'"\ud800"', rb'"\udc00\ud800"', rb'"\u0000"', rb'"\u2028"', b'"\x00"'),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"'),
    *(json.dumps(text).encode() for text in (ID, AHEAD, ID[:-1], ID + "\n", "z" * 27, "é" * 27, "m" * 65, "m\n")),
)
NESTED: Final = (
    *(b"[" * 300 + b"]" * 300, b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 2_000 + b"]" * 2_000, b"[" * 100_000),
    *(b"[]", b"{}", b"[null]", b'{"$value":null}'),
)
HOSTILE: Final = [*NUMBERS, *TEXTS, *NESTED, b"true", b"false", b"null", b'""', b'"heartbeat"', b'"record"']

Change: TypeAlias = Callable[[bytes], bytes]


def _position(share: float, length: int) -> int:
    return int(share * length)


def truncated(share: float) -> Change:
    return lambda body: body[: _position(share, len(body))]


def flipped(share: float, bits: int) -> Change:
    def flip(body: bytes) -> bytes:
        at = _position(share, len(body))
        return body[:at] + bytes(byte ^ bits for byte in body[at : at + 1]) + body[at + 1 :]

    return flip


def spliced(share: float, other: bytes, other_share: float) -> Change:
    return lambda body: body[: _position(share, len(body))] + other[_position(other_share, len(other)) :]


def inserted(share: float, more: bytes) -> Change:
    return lambda body: body[: _position(share, len(body))] + more + body[_position(share, len(body)) :]


def with_field(name: str, value: bytes, *, first: bool) -> Change:
    """One field more, raw: a duplicate key when the body has it already."""
    field = b'"%s":%s' % (name.encode(), value)

    def add(body: bytes) -> bytes:
        return body.replace(b"{", b"{" + field + b",", 1) if first else body.rstrip(b"} ") + b"," + field + b"}"

    return add


SHARES = st.floats(0, 1, exclude_max=True)
CHANGES = st.one_of(
    st.builds(truncated, SHARES),
    st.builds(flipped, SHARES, st.integers(1, 255)),
    st.builds(spliced, SHARES, st.sampled_from(BODIES), SHARES),
    st.builds(inserted, SHARES, st.binary(max_size=4) | st.sampled_from(HOSTILE)),
    st.builds(with_field, st.sampled_from(NAMES), st.sampled_from(HOSTILE), first=st.booleans()),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from(BODIES))
    for change in draw(st.lists(CHANGES, min_size=1, max_size=4)):
        body = change(body)
    return body


def is_object(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False


def attempt(body: bytes, acceptance: Acceptance) -> Stored | BadRecord:
    try:
        return stored(body, received_ms=NOW_MS, acceptance=acceptance)
    except BadRecord as bad:
        assert len(str(bad).encode()) < 2_000, "a refusal is short, whatever the body"
        return bad


def assert_taken_as_the_job_does(body: bytes) -> None:
    strict, original = attempt(body, "strict"), attempt(body, "original")
    for event in (strict, original):
        if isinstance(event, Stored):
            assert (event.line.count(b"\n"), event.line[-1:]) == (1, b"\n")
            assert orjson.loads(event.line)["received_at"] == NOW_MS
    if isinstance(strict, Stored):
        assert not isinstance(decode(strict.line, arrival_ms=NOW_MS), Heartbeat)
        assert strict == original, "what strict takes, original takes as the same line"


def assert_the_job_takes_no_more(body: bytes) -> None:
    """What `decode` makes an event of, `stored` takes, but for three rules that are the endpoint's own."""
    fields = orjson.loads(body)
    try:
        decode(body, arrival_ms=NOW_MS)
    except BadRecord:
        return
    event = attempt(body, "strict")
    the_endpoint_s = ("too_deep", "too_large", "bad_heartbeat")  # it writes the line again; heartbeats are its own
    if isinstance(event, BadRecord) and "received_at" not in fields:
        assert event.reason in the_endpoint_s


@given(mutated())
def test_a_mutated_body_is_refused_or_taken_as_the_job_takes_it(body: bytes) -> None:
    assert_taken_as_the_job_does(body)


@given(st.binary(max_size=400))
@example(b"\xef\xbb\xbf{}")
@example(b"\x00")
def test_any_bytes_are_refused_or_taken_as_the_job_takes_them(body: bytes) -> None:
    assert_taken_as_the_job_does(body)


@given(st.sampled_from(BODIES), st.sampled_from(NAMES), st.sampled_from(HOSTILE), st.booleans())
def test_a_hostile_value_in_any_field_is_refused_or_taken_as_the_job_takes_it(
    body: bytes, name: str, value: bytes, first: bool
) -> None:
    assert_taken_as_the_job_does(with_field(name, value, first=first)(body))


@given(mutated().filter(is_object))
def test_the_endpoint_refuses_nothing_that_the_job_takes(body: bytes) -> None:
    assert_the_job_takes_no_more(body)


@pytest.mark.parametrize("body", BODIES)
def test_the_real_bodies_are_taken(body: bytes) -> None:
    assert isinstance(attempt(body, "strict"), Stored)
    assert_taken_as_the_job_does(body)
    assert_the_job_takes_no_more(body)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", NAMES)
def test_every_hostile_value_in_every_field(name: str, value: bytes) -> None:
    for body in BODIES:
        assert_taken_as_the_job_does(with_field(name, value, first=False)(body))


@pytest.mark.parametrize(
    "value", [b'"a"', b"1", b"{}", b'["x"]', b'"%s"' % (b"x" * 300), b'{"a":[1]}', b"null", b"true"]
)
@pytest.mark.parametrize("acceptance", ["strict", "original"])
def test_a_key_is_always_an_id_since_brokers_bound_keys(value: bytes, acceptance: Acceptance) -> None:
    for body in BODIES:
        event = attempt(with_field("decision_id", value, first=False)(body), acceptance)
        assert isinstance(event, BadRecord) or re.fullmatch("[a-zA-Z0-9]{27}", event.key)
