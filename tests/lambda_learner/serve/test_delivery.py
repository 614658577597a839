"""One event to the endpoint, and the pauses after failures; against a server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest

from lambda_learner.serve.delivery import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LONGEST_RETRY_AFTER_S,
    Answer,
    Endpoint,
    Pauses,
)
from tests.lambda_learner.serve.endpoint import Reply, TrackEndpoint, refusal

BODY = b'{"message_id":"x"}'


@pytest.fixture
def server() -> Iterator[TrackEndpoint]:
    with TrackEndpoint(lambda _event: Reply(204, b"")) as serving:
        yield serving


def endpoint(url: str, api_key: str | None = None, *, timeout_s: float = 10.0) -> Endpoint:
    return Endpoint(url, api_key, connections=2, timeout_s=timeout_s)


def answer_to(server: TrackEndpoint, reply: Reply) -> Answer:
    server.reply = lambda _event: reply
    return endpoint(server.url).post(BODY)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "delivered"), (201, "again"), (202, "again"), (204, "again"), (301, "again"), (307, "again"),
        (400, "refused"), (401, "again"), (403, "again"), (404, "again"), (408, "again"), (409, "refused"),
        (413, "refused"), (429, "again"), (499, "refused"), (500, "again"), (502, "again"), (503, "again"),
        (504, "again"), (0, "again"),
    ],
)  # fmt: skip
def test_only_200_is_delivered_and_only_a_4xx_about_the_event_is_refused(status: int, verdict: str) -> None:
    assert Answer(status).verdict == verdict


def test_an_event_goes_out_as_the_clients_send_it(server: TrackEndpoint) -> None:
    assert endpoint(server.url, "secret123").post(BODY).status == 204
    (asked,) = server.asked
    assert asked.body == BODY
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["x-api-key"] == "secret123"
    assert asked.headers["content-length"] == str(len(BODY))


def test_without_a_key_there_is_no_header_for_one(server: TrackEndpoint) -> None:
    endpoint(server.url).post(BODY)
    assert "x-api-key" not in server.asked[0].headers


@pytest.mark.parametrize("length", [10, 70_000])
def test_a_connection_is_kept_whatever_the_answer_unless_that_is_long(server: TrackEndpoint, length: int) -> None:
    server.reply = lambda _event: Reply(400, b"x" * length)
    posting = endpoint(server.url)
    assert [posting.post(BODY).status for _ in range(3)] == [400] * 3
    assert len({asked.connection for asked in server.asked}) == (1 if length < 65_536 else 3)


def test_a_connection_that_the_server_has_closed_is_made_anew(server: TrackEndpoint) -> None:
    server.reply = lambda _event: Reply(400, b"x", {"Connection": "close"})
    posting = endpoint(server.url)
    assert [posting.post(BODY).status for _ in range(3)] == [400] * 3


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (refusal(400, "count must be an integer ≥ 1, got 0"), "count must be an integer ≥ 1, got 0"),
        (Reply(502, b" <html>Bad gateway</html>\n"), "<html>Bad gateway</html>"),
        (Reply(400, b'{"error":"flat"}'), '{"error":"flat"}'),
        (Reply(400, b"[]"), "[]"),
        (Reply(400, b"\xff"), "\N{REPLACEMENT CHARACTER}"),
        (Reply(400, b"x" * 1000), "x" * 300),
        (refusal(400, "two\nlines"), "two lines"),
        (Reply(400, b"\x1f\x8bno gzip", {"Content-Encoding": "gzip"}), "\N{REPLACEMENT CHARACTER}no gzip"),
    ],
)
def test_the_message_is_the_endpoints_or_else_what_came(server: TrackEndpoint, reply: Reply, message: str) -> None:
    assert answer_to(server, reply) == Answer(reply.status, message)


def test_a_200_that_breaks_off_is_a_200(server: TrackEndpoint) -> None:
    server.checks, server.reply = False, lambda _event: Reply(200, b"{", {"Content-Length": "5", "Connection": "close"})
    assert endpoint(server.url).post(BODY).verdict == "delivered"


def test_no_redirect_is_followed(server: TrackEndpoint) -> None:
    assert answer_to(server, Reply(307, b"", {"Location": server.url})).status == 307
    assert len(server.asked) == 1


def test_a_port_where_nobody_listens_gives_no_answer() -> None:
    answer = endpoint(TrackEndpoint().url).post(BODY)
    assert (answer.status, answer.verdict) == (0, "again")
    assert "refused" in answer.message


def test_a_connection_that_ends_without_an_answer_gives_no_answer(server: TrackEndpoint) -> None:
    assert answer_to(server, Reply(0)).verdict == "again"


def test_an_answer_that_does_not_come_gives_no_answer() -> None:
    silent = TrackEndpoint()
    with socket.create_server(("127.0.0.1", silent.port)):
        assert endpoint(silent.url, timeout_s=0.2).post(BODY).status == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0), ("0", 0.0), ("soon", 0.0), ("-3", 0.0), ("", 0.0),
        ("9" * 5_000, 0.0), ("Mon, 01 Jan 99999 00:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_the_time_to_wait_is_read_in_seconds(server: TrackEndpoint, header: str, seconds: float) -> None:
    assert answer_to(server, Reply(503, b"", {"Retry-After": header})).retry_after_s == seconds


def test_the_time_to_wait_is_read_as_a_date(server: TrackEndpoint) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 0 < answer_to(server, Reply(503, b"", {"Retry-After": date})).retry_after_s <= 100


@pytest.mark.parametrize("url", ["", "track.example.com", "ftp://x/", "http://", "https:///path", None, 5])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"track_url must be an http or https URL .* got"):
        endpoint(url)


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match="track_api_key") as caught:
        endpoint("https://me:pass123@track.example.com/")
    assert "pass123" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " padded123", "two\nlines123", "é123", 123])
def test_a_key_that_is_no_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="track_api_key must be printable ASCII") as caught:
        endpoint("https://track.example.com/", key)
    assert "123" not in str(caught.value)


def pauses() -> Pauses:
    return Pauses(np.random.default_rng(7))


def test_pauses_double_up_to_a_minute_with_full_jitter() -> None:
    longest = [FIRST_PAUSE_S * 2**failures for failures in range(7)] + [LONGEST_PAUSE_S] * 2_000
    pausing, now_s, lengths = pauses(), 0.0, []
    for most in longest:
        pausing.failed(now_s, now_s, 0.0)
        lengths.append((pausing.until_s - now_s) / most)
        assert 0 <= lengths[-1] <= 1
        now_s = pausing.until_s
    assert np.mean(lengths) == pytest.approx(0.5, abs=0.05)


def test_a_success_makes_pauses_short_again() -> None:
    pausing = pauses()
    for now_s in range(0, 1000, 100):
        pausing.failed(now_s, now_s, 0.0)
    pausing.succeeded()
    pausing.failed(2000.0, 2000.0, 0.0)
    assert pausing.until_s <= 2000.0 + FIRST_PAUSE_S


def test_requests_that_fail_together_count_once() -> None:
    pausing = pauses()
    for _ in range(30):
        pausing.failed(0.0, 1.0, 0.0)
    assert pausing.until_s <= 1.0 + FIRST_PAUSE_S


def test_the_endpoints_own_time_is_waited_for_but_an_hour_at_most() -> None:
    pausing = pauses()
    pausing.failed(0.0, 0.0, 20.0)
    assert 20.0 <= pausing.until_s <= 20.0 + FIRST_PAUSE_S
    pausing.failed(0.0, 0.0, 1e9)
    assert LONGEST_RETRY_AFTER_S <= pausing.until_s <= LONGEST_RETRY_AFTER_S + 2 * FIRST_PAUSE_S


def test_a_pause_is_never_shortened() -> None:
    pausing = pauses()
    pausing.failed(0.0, 0.0, 100.0)
    pausing.failed(0.0, 1.0, 0.0)
    assert pausing.until_s >= 100.0
