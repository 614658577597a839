from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from jobs.track.answers import Answer as Answered
from jobs.track.answers import Refusal, page
from jobs.track.body import Body
from jobs.track.outcome import Outcome
from jobs.track.room import Room
from jobs.track.sink import NotStoredError
from tests.jobs.track.conftest import BODY, MAX_BYTES, NOW_MS, REWARD, Answer, MemorySink, Server

GZIP = {"content-encoding": "gzip"}
STORED = {**REWARD, "received_at": NOW_MS}


def assert_refused(answer: Answer, status: int, message: str) -> None:
    assert answer.status == status
    assert message in answer.message
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/json"


def test_an_event_is_answered_with_success_and_stored(server: Server) -> None:
    answer = server.ask()
    assert (answer.status, answer.body) == (200, b'{"status":"success"}')
    assert answer.headers["access-control-allow-origin"] == "*"
    assert [json.loads(line) for line in server.sink.lines] == [STORED]


@pytest.mark.parametrize("path", ["/", "/track", "/a/b?c=d", "/health", "/ready", "/%ff"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_an_event_is_taken_at_any_path(server: Server, path: str, method: str) -> None:
    assert server.ask(path=path, method=method).status == 200
    assert len(server.sink.lines) == 1


def test_a_body_may_come_in_chunks(server: Server) -> None:
    assert server.ask([BODY[:1], b"", BODY[1:50], BODY[50:], b""]).status == 200
    assert [json.loads(line) for line in server.sink.lines] == [STORED]


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_body_may_be_gzip(server: Server, size: int) -> None:
    packed = gzip.compress(BODY, mtime=0)
    chunks = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert server.ask(chunks, headers={"content-encoding": " GZIP"}).status == 200
    assert [json.loads(line) for line in server.sink.lines] == [STORED]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (BODY, "body must be gzip, as its content-encoding says"),
        (gzip.compress(BODY, mtime=0)[:-3], "breaks off"),
        (b"", "breaks off"),
        (gzip.compress(BODY, mtime=0) + b"more", "body must be one member of gzip"),
        (gzip.compress(BODY, mtime=0) + gzip.compress(b" ", mtime=0), "body must be one member of gzip"),
    ],
)
def test_what_is_no_gzip_is_refused(server: Server, body: bytes, message: str) -> None:
    assert_refused(server.ask(body, headers=GZIP), 400, message)
    assert_refused(server.ask([body[:20], body[20:-2], body[-2:]], headers=GZIP), 400, message)
    assert server.sink.lines == []


def test_a_coding_that_is_not_known_is_refused(server: Server) -> None:
    answer = server.ask(headers={"content-encoding": "br"})
    assert_refused(answer, 415, "content-encoding must be gzip or identity, got br")


def test_a_declared_length_that_is_too_large_is_refused_before_a_byte_is_read(server: Server) -> None:
    answer = server.ask(BODY, headers={"content-length": str(MAX_BYTES + 1)})
    assert_refused(answer, 413, f"body must be at most {MAX_BYTES} bytes")
    assert answer.chunks_read == 0
    assert answer.headers["connection"] == "close"


def test_a_body_is_refused_as_soon_as_it_is_too_large(server: Server) -> None:
    answer = server.ask([b" " * 1_000] * 100)
    assert_refused(answer, 413, f"body must be at most {MAX_BYTES} bytes")
    assert answer.chunks_read == 11


def test_a_body_that_is_too_large_with_its_time_of_arrival_is_refused_as_too_large(server: Server) -> None:
    body = BODY[:-1] + b',"x":"' + b"x" * (MAX_BYTES - len(BODY) - 7) + b'"}'
    assert len(body) == MAX_BYTES
    assert_refused(server.ask(body), 413, "with its time of arrival")


def test_a_gzip_that_unpacks_to_too_much_is_refused_as_soon_as_it_does(server: Server) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    chunks = [bomb[start : start + 100] for start in range(0, len(bomb), 100)]
    answer = server.ask(chunks, headers=GZIP)
    assert_refused(answer, 413, f"body must be at most {MAX_BYTES} bytes, unpacked too")
    assert answer.chunks_read == 1


def test_a_body_of_just_the_size_that_fits_is_taken(serving: Callable[..., Server]) -> None:
    stored = len(json.dumps(STORED, separators=(",", ":"))) + 1  # with its newline
    assert serving(max_message_bytes=stored).ask().status == 200
    assert serving(max_message_bytes=stored - 1).ask().status != 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body must not be empty"),
        (b"{", "body must be JSON"),
        (b"[]", "body must be a JSON object, got []"),
        (b"{}", "message_id must be there"),
        (BODY.replace(b"1.0", b'"much"'), 'reward must be a number, got "much"'),
    ],
)
def test_a_refusal_names_field_value_and_rule(server: Server, body: bytes, message: str) -> None:
    assert_refused(server.ask(body), 400, message)
    assert server.sink.lines == []


def test_a_get_without_a_body_is_refused_like_any_other(server: Server) -> None:
    assert_refused(server.ask(b"", method="GET"), 400, "body must not be empty")


def test_original_takes_what_the_original_took(serving: Callable[..., Server]) -> None:
    server = serving(acceptance="original")
    assert server.ask(json.dumps({"message_id": "a" * 27}).encode()).status == 200
    assert_refused(server.ask(b'{"message_id":"a"}'), 400, 'message_id must be 27 characters of a-zA-Z0-9, got "a"')


@pytest.mark.parametrize("path", ["/", "/track/deep", "/health"])
def test_a_preflight_is_answered_at_any_path(server: Server, path: str) -> None:
    answer = server.ask(b"", method="OPTIONS", path=path)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"content-type", "x-api-key", "authorization", "content-encoding"} <= set(allowed)


@pytest.mark.parametrize(
    "sink", [MemorySink(full=NotStoredError("no space left")), MemorySink(error=NotStoredError("no space left"))]
)
def test_a_sink_that_refuses_is_answered_with_try_again(serving: Callable[..., Server], sink: MemorySink) -> None:
    answer = serving(sink).ask()
    assert_refused(answer, 503, "cannot be stored at the moment")
    assert b"no space" not in answer.body
    assert answer.headers["retry-after"] == "1"


def test_nothing_is_answered_before_the_line_is_durable(serving: Callable[..., Server]) -> None:
    server = serving(MemorySink(slow=True))

    async def ask() -> Answer | None:
        asking = asyncio.create_task(server.call([BODY], "POST", "/", {}))
        while not server.sink.futures:
            await asyncio.sleep(0)
        assert not asking.done()
        server.sink.futures[0].set_result(None)
        return await asking

    answer = asyncio.run(ask())
    assert answer is not None
    assert answer.status == 200


def test_requests_hold_no_more_than_the_room_there_is_for_all(serving: Callable[..., Server]) -> None:
    server = serving(MemorySink(slow=True), room=Room(2 * len(BODY)))

    async def ask(number: int) -> list[Answer | None]:
        asking = [asyncio.create_task(server.call([BODY[:9], BODY[9:]], "POST", "/", {})) for _ in range(number)]
        while sum(task.done() for task in asking) + len(server.sink.futures) < number:
            await asyncio.sleep(0)
        for future in server.sink.futures:
            future.set_result(None)
        return [await task for task in asking]

    first, second, third = (answer for answer in asyncio.run(ask(3)) if answer is not None)
    assert (first.status, second.status) == (200, 200)
    assert_refused(third, 503, f"the bodies of other requests take all of {2 * len(BODY)} bytes")
    assert third.headers["retry-after"] == "1"


@pytest.mark.parametrize("body", [BODY, b"", b"{", b" " * (MAX_BYTES + 1), gzip.compress(BODY, mtime=0)])
def test_every_answer_gives_its_room_back(serving: Callable[..., Server], body: bytes) -> None:
    room = Room(100_000)
    serving(room=room).ask([body[:5], body[5:]])
    serving(room=room).ask([body[:5], body[5:]], headers=GZIP)
    assert room.free_bytes == 100_000


def test_a_client_that_leaves_within_its_body_stores_nothing(server: Server) -> None:
    assert asyncio.run(server.call([], "POST", "/", {})) is None
    assert server.sink.lines == []


def test_a_body_that_does_not_come_is_refused() -> None:
    async def silence() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    body = Body(Request({"type": "http", "method": "POST", "headers": []}, silence))
    with pytest.raises(Refusal) as raised:
        asyncio.run(body.read(MAX_BYTES, lease=Room().lease(), seconds=0.01))
    answer = raised.value.answer
    assert (answer.status, answer.reason) == (408, "timeout")
    assert b"within 0.01 s" in answer.body


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/ready", 503)])
def test_a_disk_that_fails_makes_the_endpoint_unready_but_not_dead(
    serving: Callable[..., Server], path: str, status: int
) -> None:
    assert serving().ask(b"", method="GET", path=path).status == 200
    assert serving(MemorySink(problem="no space left")).ask(b"", method="GET", path=path).status == status


def test_a_head_of_health_is_answered_like_a_get(server: Server) -> None:
    assert server.ask(b"", method="HEAD", path="/health").status == 200


# pages


def test_a_page_is_given_with_its_type_and_only_to_a_get(serving: Callable[..., Server]) -> None:
    server = serving(pages={"/metrics": lambda: page(b"requests 7", "text/plain; version=0.0.4")})
    answer = server.ask(b"", method="GET", path="/metrics")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (
        200,
        b"requests 7",
        "text/plain; version=0.0.4",
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert server.sink.lines == []
    assert server.ask(path="/metrics").status == 200
    assert len(server.sink.lines) == 1


def test_a_server_that_adds_the_headers_of_cors_itself_gets_none_from_the_application(
    serving: Callable[..., Server],
) -> None:
    assert not [name for name in serving(headers=()).ask().headers if name.startswith("access-control")]


# outcomes


@pytest.mark.parametrize(
    ("request_", "status", "reason", "bytes_read"),
    [
        ({}, 200, "", len(BODY)),
        ({"body": gzip.compress(BODY, mtime=0), "headers": GZIP}, 200, "", len(gzip.compress(BODY, mtime=0))),
        ({"body": b"", "method": "OPTIONS"}, 200, "", 0),
        ({"body": b"", "method": "GET", "path": "/health"}, 200, "", 0),
        ({"body": b"{"}, 400, "not_json", 1),
        ({"body": BODY.replace(b"1.0", b"null")}, 400, "bad_reward", len(BODY) + 1),
        ({"body": BODY, "headers": GZIP}, 400, "bad_gzip", len(BODY)),
        ({"headers": {"content-encoding": "br"}}, 415, "unknown_coding", 0),
        ({"headers": {"content-length": "99999"}}, 413, "too_large", 0),
        ({"body": [b" " * 6_000, b" " * 6_000, b" "]}, 413, "too_large", 12_000),
    ],
)
def test_a_request_has_one_outcome(
    server: Server, request_: dict[str, Any], status: int, reason: str, bytes_read: int
) -> None:
    server.ask(**request_)
    outcome = server.outcome
    assert (outcome.status, outcome.reason, outcome.bytes_read) == (status, reason, bytes_read)
    assert (outcome.method, outcome.path) == (request_.get("method", "POST"), request_.get("path", "/"))
    assert outcome.project is None


@pytest.mark.parametrize(
    ("sink", "path", "reason"),
    [
        (MemorySink(error=NotStoredError("full")), "/", "not_stored"),
        (MemorySink(problem="full"), "/ready", "not_ready"),
    ],
)
def test_a_sink_that_fails_has_a_reason(
    serving: Callable[..., Server], sink: MemorySink, path: str, reason: str
) -> None:
    server = serving(sink)
    server.ask(method="POST" if path == "/" else "GET", path=path)
    assert (server.outcome.status, server.outcome.reason) == (503, reason)


def test_a_request_without_room_is_busy(serving: Callable[..., Server]) -> None:
    server = serving(room=Room(10))
    server.ask()
    assert (server.outcome.status, server.outcome.reason) == (503, "busy")


def test_every_observer_is_told(serving: Callable[..., Server]) -> None:
    first: list[Outcome] = []
    second: list[Outcome] = []
    serving(observers=(first.append, second.append)).ask()
    assert len(first) == 1
    assert first == second


def test_an_outcome_has_the_seconds_between_head_and_answer(serving: Callable[..., Server]) -> None:
    clock = iter([7.0, 7.25])
    server = serving(seconds=lambda: next(clock))
    server.ask()
    assert server.outcome.seconds == 0.25


def test_a_client_that_leaves_has_an_outcome_without_a_status(server: Server) -> None:
    asyncio.run(server.call([], "POST", "/", {}))
    assert (server.outcome.status, server.outcome.reason) == (0, "disconnected")


def test_a_request_that_is_cancelled_has_an_outcome_without_a_status(serving: Callable[..., Server]) -> None:
    server = serving(MemorySink(slow=True))

    async def cancel() -> None:
        asking = asyncio.create_task(server.call([BODY], "POST", "/", {}))
        while not server.sink.futures:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(cancel())
    assert (server.outcome.status, server.outcome.reason, server.outcome.bytes_read) == (0, "cancelled", len(BODY))


def test_a_bug_is_answered_and_logged_and_the_next_request_is_served(
    serving: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = serving(MemorySink(full=KeyError("a bug")))
    assert_refused(server.ask(), 500, "the endpoint has failed")
    assert (server.outcome.status, server.outcome.reason) == (500, "bug")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "a bug" in str(record.exc_info[1])
    server.sink.full = None
    assert server.ask().status == 200


def test_a_page_that_fails_is_a_bug_like_any_other(
    serving: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Answered:
        raise ZeroDivisionError

    server = serving(pages={"/metrics": broken})
    assert_refused(server.ask(b"", method="GET", path="/metrics"), 500, "the endpoint has failed")
    assert "ZeroDivisionError" in caplog.text
