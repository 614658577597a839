"""What Prometheus reads, through its own parser."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jobs.track.metrics import SECONDS, Metrics
from jobs.track.outcome import Outcome
from jobs.track.room import Room

PREFIX = "lambda_learner_track_"
STORED = Outcome("POST", "/track", 200, "", None, 190, 0.004)


@dataclass
class Queue:
    waiting_bytes: int = 0
    waiting_events: int = 0
    problem: str | None = None


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def room() -> Room:
    return Room(1_000)


@pytest.fixture
def metrics(queue: Queue, room: Room) -> Metrics:
    return Metrics(queue, room)


def read(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of a sample with exactly these labels; None when there is none."""
    text = metrics.page().body.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = [sample.value for sample in samples if (sample.name, sample.labels) == (PREFIX + name, labels)]
    assert len(found) <= 1
    return found[0] if found else None


def test_requests_are_counted_by_status_reason_and_project(metrics: Metrics) -> None:
    for outcome in (STORED, STORED, STORED._replace(project="shop"), STORED._replace(status=400, reason="bad_count")):
        metrics.observe(outcome)
    assert read(metrics, "requests_total", status="200", reason="", project="") == 2
    assert read(metrics, "requests_total", status="200", reason="", project="shop") == 1
    assert read(metrics, "requests_total", status="400", reason="bad_count", project="") == 1


def test_bytes_are_those_of_every_body_and_events_those_that_were_stored(metrics: Metrics) -> None:
    for outcome in (STORED, STORED._replace(bytes_read=10), STORED._replace(status=413, reason="too_large")):
        metrics.observe(outcome)
    assert read(metrics, "body_bytes_total") == 190 + 10 + 190
    assert read(metrics, "events_stored_total") == 2


@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("GET", "/metrics"), ("OPTIONS", "/track")])
def test_a_page_or_a_preflight_is_a_request_but_no_event_and_has_no_duration(
    metrics: Metrics, method: str, path: str
) -> None:
    metrics.observe(STORED._replace(method=method, path=path, bytes_read=0))
    assert read(metrics, "requests_total", status="200", reason="", project="") == 1
    assert read(metrics, "events_stored_total") == 0
    assert read(metrics, "request_duration_seconds_count", status="200") == 0


def test_durations_fall_into_buckets_by_status(metrics: Metrics) -> None:
    for seconds in (0.0005, 0.05, 0.0501, 60.0):
        metrics.observe(STORED._replace(seconds=seconds))
    metrics.observe(STORED._replace(status=503, reason="not_stored", seconds=2.0, bytes_read=0))
    buckets = {edge: read(metrics, "request_duration_seconds_bucket", status="200", le=str(edge)) for edge in SECONDS}
    assert [buckets[edge] for edge in (0.001, 0.025, 0.05, 0.1, 10.0)] == [1, 1, 2, 3, 3]
    assert read(metrics, "request_duration_seconds_bucket", status="200", le="+Inf") == 4
    assert read(metrics, "request_duration_seconds_sum", status="200") == pytest.approx(60.1006)
    assert read(metrics, "request_duration_seconds_count", status="503") == 1


def test_the_queue_the_room_and_the_problem_are_read_when_the_page_is(
    metrics: Metrics, queue: Queue, room: Room
) -> None:
    assert read(metrics, "sink_problem") == 0
    queue.waiting_bytes, queue.waiting_events, queue.problem = 5_000, 4, "no space left"
    with room.lease() as lease:
        lease.take(300)
        assert read(metrics, "body_room_used_bytes") == 300
    names = ("sink_waiting_bytes", "sink_waiting_events", "sink_problem", "body_room_used_bytes", "body_room_bytes")
    assert [read(metrics, name) for name in names] == [5_000, 4, 1, 0, 1_000]


def test_strangers_make_no_series_of_their_own(metrics: Metrics) -> None:
    before = len(metrics.page().body.splitlines())
    metrics.observe(STORED)
    after = len(metrics.page().body.splitlines())
    assert before < after
    for number in range(100):
        metrics.observe(STORED._replace(method=f"M{number}", path=f"/{number}", bytes_read=number + 1, seconds=number))
    assert len(metrics.page().body.splitlines()) == after


def test_the_process_is_measured_too(metrics: Metrics) -> None:
    text = metrics.page().body.decode()
    assert "\nprocess_resident_memory_bytes " in text
    assert "\nprocess_cpu_seconds_total " in text


def test_two_endpoints_in_one_process_count_for_themselves(queue: Queue, room: Room) -> None:
    one, other = Metrics(queue, room), Metrics(queue, room)
    one.observe(STORED)
    assert (read(one, "events_stored_total"), read(other, "events_stored_total")) == (1, 0)


def test_the_page_says_its_format(metrics: Metrics) -> None:
    assert metrics.page().headers == ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)
