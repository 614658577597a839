from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.types import Message

from jobs.track.body import BodyError, read_body
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
    packed = gzip.compress(BODY)
    chunks = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert server.ask(chunks, headers={"content-encoding": " GZIP"}).status == 200
    assert [json.loads(line) for line in server.sink.lines] == [STORED]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (BODY, "body must be gzip, as its content-encoding says"),
        (gzip.compress(BODY)[:-3], "breaks off"),
        (b"", "breaks off"),
        (gzip.compress(BODY) + b"more", "body must be one member of gzip"),
        (gzip.compress(BODY) + gzip.compress(b" "), "body must be one member of gzip"),
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
    assert_refused(answer, 503, "no space left")
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


@pytest.mark.parametrize("body", [BODY, b"", b"{", b" " * (MAX_BYTES + 1), gzip.compress(BODY)])
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

    request = Request({"type": "http", "method": "POST", "headers": []}, silence)
    with pytest.raises(BodyError, match=r"within 0\.01 s") as raised:
        asyncio.run(read_body(request, MAX_BYTES, lease=Room().lease(), seconds=0.01))
    assert raised.value.status == 408


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/ready", 503)])
def test_a_disk_that_fails_makes_the_endpoint_unready_but_not_dead(
    serving: Callable[..., Server], path: str, status: int
) -> None:
    assert serving().ask(b"", method="GET", path=path).status == 200
    assert serving(MemorySink(problem="no space left")).ask(b"", method="GET", path=path).status == status
