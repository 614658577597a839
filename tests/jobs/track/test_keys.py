from __future__ import annotations

import base64
import hmac
import json
import math
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from jobs.track.keys import KeyRing, KeysError, new_key, parse_keys, render_keys, sha256_of
from tests.jobs.track.conftest import NOW_MS, NOW_S, api_key


def line(**fields: Any) -> bytes:
    """A line of the file, right but for these fields."""
    right = {"project": "shop", "sha256": sha256_of(b"secret"), "created_at": "2026-11-23T12:00:00Z"}
    return json.dumps({**right, **fields}).encode() + b"\n"


def test_a_key_is_32_random_bytes_behind_a_prefix() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"ll_[A-Za-z0-9_-]{43}", key) for key in made)
    assert all(len(base64.urlsafe_b64decode(key[3:] + "=")) == 32 for key in made)


def test_what_is_kept_is_the_sha_256_of_the_text() -> None:
    assert sha256_of(b"ll_abc") == sha256(b"ll_abc").hexdigest()


def test_a_file_that_is_written_is_read_as_it_was() -> None:
    given = [
        api_key("a", requests_per_second=0.5, burst=7, expires_at=datetime(2027, 1, 1, tzinfo=UTC)),
        api_key("b", project="other"),
    ]
    data = render_keys(given)
    assert parse_keys(data).keys == tuple(given)
    assert data.count(b"\n") == 2
    assert json.loads(data.splitlines()[1]) == {
        "project": "other",
        "sha256": sha256_of(b"b"),
        "created_at": "2026-11-23T12:00:00Z",
    }


def test_empty_lines_mean_nothing_and_a_file_may_have_no_keys() -> None:
    assert parse_keys(b"").keys == ()
    assert len(parse_keys(b"\n" + line() + b"\r\n  \n").keys) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"project": "a b"}, 'line 2: project: String should match pattern .*, got "a b"'),
        ({"project": ""}, "line 2: project: "),
        ({"sha256": "ABC"}, "line 2: sha256: "),
        ({"created_at": "yesterday"}, 'line 2: created_at: .*got "yesterday"'),
        ({"created_at": "2026-11-23T12:00:00"}, "line 2: created_at: .*timezone"),
        ({"requests_per_second": 0}, "line 2: requests_per_second: Input should be greater than 0, got 0"),
        ({"requests_per_second": "5"}, 'line 2: requests_per_second: .*got "5"'),
        ({"requests_per_second": 5, "burst": 0}, "line 2: burst: .*got 0"),
        ({"requests_per_second": 5, "burst": True}, "line 2: burst: .*got true"),
        ({"burst": 5}, "line 2: the line: Value error, burst needs requests_per_second"),
        ({"rate": 5}, "line 2: rate: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_field_and_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(KeysError, match=message):
        parse_keys(line() + line(**fields))


@pytest.mark.parametrize("data", [b"{", b"[]", b"null", b'"ll_x"', b"\xff", b"{} {}"])
def test_what_is_no_line_of_a_key_is_refused(data: bytes) -> None:
    with pytest.raises(KeysError, match="line 1: "):
        parse_keys(data)


@pytest.mark.parametrize(
    "data",
    [
        b"ll_secretsecret\n",
        line(key="ll_secretsecret"),
        line(sha256="ll_secretsecret"),
        b'{"sha256": "ll_secretsecret"',
    ],
)
def test_a_key_that_stands_where_a_hash_should_is_not_shown(data: bytes) -> None:
    with pytest.raises(KeysError) as raised:
        parse_keys(data)
    assert "secretsecret" not in str(raised.value)
    assert raised.value.__context__ is None


def test_a_hash_that_stands_twice_is_refused_by_its_id() -> None:
    with pytest.raises(KeysError, match=f"the key {sha256_of(b'secret')[:12]} does"):
        parse_keys(line() + line(project="other"))


def test_several_keys_are_valid_at_once() -> None:
    ring = KeyRing([api_key("a"), api_key("b"), api_key("c", project="other")])
    found = [ring.find(presented) for presented in (b"a", b"b", b"c", b"d", b"", b"A")]
    assert [key and key.project for key in found] == ["shop", "shop", "other", None, None, None]


def test_a_hash_is_no_key() -> None:
    key = api_key("a")
    assert KeyRing([key]).find(key.sha256.encode()) is None


@pytest.mark.parametrize("presented", [b"a", b"b", b"c", b"none"])
def test_every_key_is_compared_whichever_is_presented(presented: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    ring, compared = KeyRing([api_key(text) for text in "abc"]), []

    def compare(first: str, second: str) -> bool:
        compared.append(first)
        return first == second

    monkeypatch.setattr(hmac, "compare_digest", compare)
    ring.find(presented)
    assert compared == [key.sha256 for key in ring.keys]


@pytest.mark.parametrize(
    ("rate", "burst", "expected"), [(5, 9, (5, 9)), (2.5, None, (2.5, 3)), (0.01, None, (0.01, 1))]
)
def test_a_burst_that_is_not_given_is_that_of_a_second(
    rate: float, burst: int | None, expected: tuple[float, int]
) -> None:
    assert api_key("a", requests_per_second=rate, burst=burst).limit == expected


def test_a_key_ends_at_its_time() -> None:
    assert api_key("a", expires_at=datetime.fromtimestamp(NOW_S, UTC)).expires_ms == NOW_MS
    assert api_key("b").expires_ms == math.inf
