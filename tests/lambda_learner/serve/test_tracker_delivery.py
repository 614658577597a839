"""What becomes of tracked events when the endpoint is down, slow, full or of another opinion."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from jobs.ports import free_port
from jobs.track.app import App, Rules
from lambda_learner.events import ksuid
from lambda_learner.serve import Tracker
from lambda_learner.serve.sender import wall_clock_ms
from tests.jobs.track.conftest import MemorySink
from tests.lambda_learner.serve.endpoint import STORED, Reply, TrackEndpoint, refusal

LONG_S = 60.0  # far more than anything here takes


@pytest.fixture(params=["memory", "file"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "queue" if request.param == "file" else None


@contextmanager
def tracking(server: TrackEndpoint, queue: Path | None = None, **options: Any) -> Iterator[Tracker]:
    tracker = Tracker("songs", server.url, queue=queue, **options)
    try:
        yield tracker
    finally:
        tracker.close(0)


def track(tracker: Tracker, number: int) -> list[str]:
    return [tracker.track(index, [index, "other"]) for index in range(number)]


def once(ids: list[str]) -> Counter[str]:
    return Counter(dict.fromkeys(ids, 1))


def replies(*given: Reply) -> Callable[[dict[str, Any]], Reply]:
    """These in turn, then 200."""
    left, lock = list(given), threading.Lock()

    def reply(_event: dict[str, Any]) -> Reply:
        with lock:
            return left.pop(0) if left else STORED

    return reply


def test_events_of_16_threads_arrive_once_each(queue: Path | None) -> None:
    with TrackEndpoint() as server, tracking(server, queue) as tracker, ThreadPoolExecutor(16) as threads:
        ids = [id_ for ids in threads.map(lambda _: track(tracker, 50), range(16)) for id_ in ids]
        assert tracker.flush(LONG_S)
        assert server.copies() == once(ids)
        assert tracker.counts == (0, 800, 0, 0, 0)


def test_an_outage_delays_and_loses_nothing(queue: Path | None) -> None:
    server = TrackEndpoint()
    with tracking(server, queue) as tracker:
        ids = track(tracker, 100)
        assert not tracker.flush(0.3)
        assert tracker.counts.waiting == 100
        with server:
            assert tracker.flush(LONG_S)
        assert server.copies() == once(ids)
        assert tracker.counts.retried >= 1


def test_an_endpoint_that_goes_and_comes_back_misses_nothing(queue: Path | None) -> None:
    server = TrackEndpoint()
    with tracking(server, queue) as tracker:
        with server:
            ids = track(tracker, 50)
            assert tracker.flush(LONG_S)
        ids += track(tracker, 50)
        with server:
            assert tracker.flush(LONG_S)
        assert server.copies() == once(ids)


@pytest.mark.parametrize("status", [503, 429])
def test_the_endpoints_wish_to_wait_is_honoured(status: int) -> None:
    server = TrackEndpoint(replies(Reply(status, b"", {"Retry-After": "1"})))
    with server, tracking(server, connections=1) as tracker:
        ids = track(tracker, 3)
        assert tracker.flush(LONG_S)
    first, second = (asked.at_s for asked in server.asked[:2])
    assert second - first >= 1.0
    assert server.copies() == once(ids)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 401, 403, 404, 408, 429, 202, 204, 307])
def test_what_may_pass_is_tried_again(status: int) -> None:
    server = TrackEndpoint(replies(Reply(status, b"")))
    with server, tracking(server, connections=1) as tracker:
        (id_,) = track(tracker, 1)
        assert tracker.flush(LONG_S)
        assert tracker.counts == (0, 1, 1, 0, 0)
    assert [asked.event["message_id"] for asked in server.asked] == [id_, id_]


def test_a_refused_event_is_set_aside_and_the_others_arrive(queue: Path | None) -> None:
    def reply(event: dict[str, Any]) -> Reply:
        return refusal(400, "item must be even, got 1") if event["item"] == 1 else STORED

    with TrackEndpoint(reply) as server, tracking(server, queue) as tracker:
        ids = track(tracker, 3)
        assert tracker.flush(LONG_S)
        assert server.copies() == once([ids[0], ids[2]])
        (refused,) = tracker.refused()
        assert (refused.status, refused.message) == (400, "item must be even, got 1")
        assert ids[1].encode() in refused.body
        assert tracker.counts == (0, 2, 0, 1, 0)
        assert len(server.asked) == 3


def test_refused_events_are_sent_again_on_request(queue: Path | None) -> None:
    server = TrackEndpoint(replies(*[refusal(400, "model must be one that is known")] * 5))
    with server, tracking(server, queue) as tracker:
        ids = track(tracker, 5)
        assert tracker.flush(LONG_S)
        assert (len(tracker.refused()), tracker.resend_refused()) == (5, 5)
        assert tracker.flush(LONG_S)
        assert (server.copies(), tracker.refused()) == (once(ids), [])


def test_a_reason_of_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def reply(event: dict[str, Any]) -> Reply:
        number = event["item"]
        return refusal(400, f"item must be less, got {number}") if number < 10 else refusal(413, "body must be shorter")

    with TrackEndpoint(reply) as server, tracking(server) as tracker:
        track(tracker, 20)
        assert tracker.flush(LONG_S)
        assert tracker.counts.refused == 20
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert any("400: item must be less, got" in message for message in errors)
    assert any("413: body must be shorter" in message for message in errors)


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    server = TrackEndpoint(replies(*[Reply(503, b"busy")] * 3))
    with server, tracking(server, connections=1) as tracker:
        track(tracker, 3)
        assert tracker.flush(LONG_S)
    begin, end = (record.getMessage() for record in caplog.records)
    assert begin == "events wait and will be sent again: 503 answer from 127.0.0.1 (busy)"
    assert end == "events are sent again"


def test_only_an_event_whose_answer_was_lost_arrives_twice(queue: Path | None) -> None:
    lost: list[str] = []

    def reply(event: dict[str, Any]) -> Reply:
        if event["item"] % 10 == 0 and event["message_id"] not in lost:
            lost.append(event["message_id"])
            server.accepted.append(event)
            return Reply(0)
        return STORED

    with TrackEndpoint(reply) as server, tracking(server, queue) as tracker:
        ids = track(tracker, 30)
        assert tracker.flush(LONG_S)
        assert len(lost) == 3
        assert server.copies() == once(ids) + once(lost)


def test_an_event_that_always_fails_blocks_no_other() -> None:
    others = threading.Semaphore(0)

    def reply(event: dict[str, Any]) -> Reply:
        if event["item"] == 0:
            return Reply(500, b"")
        others.release()
        return STORED

    with TrackEndpoint(reply) as server, tracking(server, connections=1) as tracker:
        ids = track(tracker, 200)
        assert all(others.acquire(timeout=LONG_S) for _ in range(199))
        assert not tracker.flush(0.1)
        assert server.copies() == once(ids[1:])
        server.reply = lambda _event: STORED
        assert tracker.flush(LONG_S)
        assert server.copies() == once(ids)


def test_new_events_never_keep_an_old_one_waiting_for_ever() -> None:
    failed = threading.Event()
    arrived = threading.Event()

    def reply(event: dict[str, Any]) -> Reply:
        if event["item"] == "old" and not failed.is_set():
            failed.set()
            return Reply(500, b"")
        if event["item"] == "old":
            arrived.set()
        elif not arrived.is_set():
            tracker.track("new", ["new"])  # one more for each that is sent: the queue is never empty
        return STORED

    with TrackEndpoint(reply) as server, tracking(server, connections=1) as tracker:
        tracker.track("old", ["old"])
        for _ in range(100):
            tracker.track("new", ["new"])
        assert arrived.wait(LONG_S)
        assert tracker.flush(LONG_S)


def test_a_full_queue_drops_the_newest_counts_and_logs(queue: Path | None, caplog: pytest.LogCaptureFixture) -> None:
    server = TrackEndpoint()
    with tracking(server, queue, max_queue_bytes=1 << 20) as tracker:
        ids = [tracker.track("x" * 100_000, ["x" * 100_000]) for _ in range(15)]
        waiting, dropped = tracker.counts.waiting, tracker.counts.dropped
        assert waiting + dropped == 15
        assert waiting in (8, 9, 10)
        with server:
            assert tracker.flush(LONG_S)
            later = tracker.track("room again", ["room again"])
            assert tracker.flush(LONG_S)
        assert server.copies() == once([*ids[:waiting], later])
    dropped_lines = [record.getMessage() for record in caplog.records if "dropped" in record.getMessage()]
    assert dropped_lines == ["events are dropped, 1 so far: the queue holds 1048576 bytes (max_queue_bytes)"]


def test_a_queue_in_memory_that_ends_says_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    with tracking(TrackEndpoint()) as tracker:
        track(tracker, 7)
        tracker.close(0.1)
    assert "events are dropped, 7 so far: the queue in memory ends" in caplog.text


def test_a_queue_in_a_file_says_what_it_keeps_and_the_next_sends_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = TrackEndpoint()
    with tracking(server, tmp_path / "queue") as tracker:
        ids = track(tracker, 7)
        tracker.close(0.1)
    assert f"7 events wait in {tmp_path / 'queue'} for the next start" in caplog.text
    with server, tracking(server, tmp_path / "queue") as tracker:
        assert tracker.flush(LONG_S)
    assert server.copies() == once(ids)


def test_two_trackers_of_one_process_share_a_file(tmp_path: Path) -> None:
    with TrackEndpoint() as server, tracking(server, tmp_path / "queue") as first:
        with tracking(server, tmp_path / "queue") as second:
            ids = track(first, 50) + track(second, 50)
            assert second.flush(LONG_S)
        first.close()
        assert server.copies() == once(ids)


def test_the_other_tracker_takes_over_when_the_one_that_sends_ends(tmp_path: Path) -> None:
    with TrackEndpoint() as server, tracking(server, tmp_path / "queue") as first:
        with tracking(server, tmp_path / "queue") as second:
            ids = track(first, 1)
            assert first.flush(LONG_S)
            first.close()
            ids += track(second, 20)
            assert second.flush(LONG_S)
            assert second.counts.sent == 20
        assert server.copies() == once(ids)


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = TrackEndpoint(replies(Reply(503, b""), refusal(401, "x-api-key must be known")))
    with server, tracking(server, track_api_key="secret123") as tracker:
        track(tracker, 3)
        assert tracker.flush(LONG_S)
    assert "secret123" not in caplog.text


def test_an_id_of_a_clock_that_is_far_ahead_is_refused_by_the_real_endpoint_and_set_aside() -> None:
    with real_endpoint() as (url, sink):
        ahead = Tracker("songs", url, now_ms=lambda: wall_clock_ms() + 3_600_000)
        with ahead:
            ahead.track("a", ["a"])
            assert ahead.flush(LONG_S)
            (refused,) = ahead.refused()
        assert refused.status == 400
        assert "check the clock" in refused.message
        assert sink.lines == []


def test_the_real_endpoint_stores_every_kind_of_call() -> None:
    with real_endpoint() as (url, sink), Tracker("songs", url, log_candidates=True) as tracker:
        ids = [tracker.track({"a": 1}, [{"a": 1}, None], {"c": 1}, propensity=0.5, model_version="v3")]
        ids += [tracker.track_with_sample("é", 3, None, None), tracker.track_with_sample(None, 1)]
        for id_ in ids:
            tracker.add_reward(1, id_)
        assert tracker.flush(LONG_S)
        assert tracker.counts == (0, 6, 0, 0, 0)
    assert len(sink.lines) == 6
    assert all(ksuid.is_valid(id_) and any(id_.encode() in line for line in sink.lines) for id_ in ids)


@contextmanager
def real_endpoint() -> Iterator[tuple[str, MemorySink]]:
    sink, port = MemorySink(), free_port()
    app = App(sink, Rules("strict", 1_024_000, 900_000))
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", ws="none", log_config=None))
    serving = threading.Thread(target=server.run)
    serving.start()
    try:
        yield f"http://127.0.0.1:{port}/track", sink
    finally:
        server.should_exit = True
        serving.join()
