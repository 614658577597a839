from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from jobs.track.admission import Admission
from jobs.track.keys import KeyRing, parse_keys, render_keys
from jobs.track.rate_limit import NS_PER_S
from tests.jobs.track.conftest import NOW_MS, NOW_S, Answer, Server, api_key


@dataclass
class Clock:
    ms: int = NOW_MS
    ns: int = 0


@dataclass
class Held:
    """Keys that a test changes."""

    ring: KeyRing
    clock: Clock = field(default_factory=Clock)

    def admission(self) -> Admission:
        return Admission(self, now_ms=lambda: self.clock.ms, now_ns=lambda: self.clock.ns)


@pytest.fixture
def held() -> Held:
    limited = api_key("slow", requests_per_second=0.5, burst=2)
    return Held(KeyRing([api_key("good"), limited, api_key("old", expires_at=datetime.fromtimestamp(NOW_S, UTC))]))


@pytest.fixture
def guarded(held: Held, serving: Callable[..., Server]) -> Server:
    return serving(admission=held.admission())


def ask(server: Server, key: str | None) -> Answer:
    return server.ask(headers={} if key is None else {"x-api-key": key})


def test_a_right_key_is_let_in_and_its_project_is_told(guarded: Server) -> None:
    assert ask(guarded, "good").status == 200
    assert guarded.outcome.project == "shop"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "x-api-key must be there: send the header x-api-key"),
        ("", "x-api-key must be a key of this endpoint"),
        ("hunter-two", "x-api-key must be a key of this endpoint"),
        ("old", "x-api-key must be a key that has not expired"),
    ],
)
def test_who_has_no_valid_key_is_refused_before_the_body_is_read(
    guarded: Server, key: str | None, message: str
) -> None:
    answer = ask(guarded, key)
    assert (answer.status, answer.chunks_read) == (401, 0)
    assert message in answer.message
    assert answer.headers["access-control-allow-origin"] == "*"
    assert not key or key == "old" or key not in answer.body.decode()
    assert guarded.sink.lines == []
    assert (guarded.outcome.reason, guarded.outcome.project) == ("unauthorized", None)


@pytest.mark.parametrize(("method", "path"), [("OPTIONS", "/"), ("GET", "/health"), ("HEAD", "/ready")])
def test_preflight_and_health_need_no_key(guarded: Server, method: str, path: str) -> None:
    assert guarded.ask(b"", method=method, path=path).status == 200


def test_without_a_file_of_keys_nobody_is_asked(server: Server) -> None:
    assert ask(server, None).status == ask(server, "any").status == 200
    assert {outcome.project for outcome in server.outcomes} == {None}


def test_who_sends_too_often_is_told_when_to_come_back(guarded: Server, held: Held) -> None:
    assert [ask(guarded, "slow").status for _ in range(2)] == [200, 200]
    held.clock.ns += NS_PER_S // 2
    answer = ask(guarded, "slow")
    assert (answer.status, answer.headers["retry-after"], answer.chunks_read) == (429, "2", 0)  # 1.5 s, rounded up
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "at most 0.5 times a second and 2 at once: wait 2 s" in answer.message
    assert guarded.outcomes[-1][2:5] == (429, "rate_limited", "shop")
    assert ask(guarded, "good").status == 200
    held.clock.ns += 2 * NS_PER_S
    assert ask(guarded, "slow").status == 200


def test_a_wait_of_less_than_a_second_is_told_as_one(serving: Callable[..., Server]) -> None:
    held = Held(KeyRing([api_key("fast", requests_per_second=1_000, burst=1)]))
    server = serving(admission=held.admission())
    assert [ask(server, "fast").headers.get("retry-after") for _ in range(2)] == [None, "1"]


def test_another_ring_counts_at_once_and_limits_survive_it(guarded: Server, held: Held) -> None:
    assert [ask(guarded, "slow").status for _ in range(3)] == [200, 200, 429]
    held.ring = KeyRing([*parse_keys(render_keys(held.ring.keys)).keys[1:], api_key("new", "other")])
    assert [ask(guarded, key).status for key in ("slow", "good", "new")] == [429, 401, 200]


def test_a_key_that_expires_while_the_endpoint_runs_is_refused(serving: Callable[..., Server]) -> None:
    held = Held(KeyRing([api_key("old", expires_at=datetime.fromtimestamp(NOW_S + 1, UTC))]))
    server = serving(admission=held.admission())
    assert ask(server, "old").status == 200
    held.clock.ms += 1_000
    assert ask(server, "old").status == 401
