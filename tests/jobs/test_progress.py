from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from jobs import progress
from jobs.progress import JobMetrics, Reading, describe, readings

NOON_MS = 1_700_000_000_000  # 2023-11-14 22:13:20


@pytest.mark.parametrize(
    ("lag_ms", "shown"),
    [
        (0, "0 s"),
        (31_400, "31 s"),
        (119_000, "119 s"),
        (120_000, "2 min"),
        (7_199_000, "120 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 days"),
        (10**12, "11,574 days"),
        (-3_000, "-3 s"),
    ],
)
def test_the_lag_is_shown_in_a_unit_that_fits_it(lag_ms: int, shown: str) -> None:
    line = describe(Reading(0, NOON_MS), 0.0, now_ms=NOON_MS + lag_ms)
    assert line.endswith(f" · lag {shown}")


def test_a_line_has_events_their_rate_and_the_watermark_in_utc() -> None:
    line = describe(Reading(1_234_567, NOON_MS), 8_765.4, now_ms=NOON_MS)
    assert line == "1,234,567 events · 8,765/s · watermark 2023-11-14 22:13:20 · lag 0 s"


def test_before_the_first_watermark_there_is_no_lag() -> None:
    assert describe(Reading(5, None), 2.5, now_ms=NOON_MS) == "5 events · 2/s"


class Flink(BaseHTTPRequestHandler):
    """The answers of Flink's REST interface that progress asks for."""

    answers: dict[str, Any] = {}

    def do_GET(self) -> None:  # noqa: N802
        answer = self.answers.get(self.path)
        self.send_response(200 if answer is not None else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Flink)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()
    Flink.answers = {}


def answer(*, watermarks: list[str]) -> None:
    """A job of two vertices, the second of which holds the watermark operator in two subtasks."""
    names = [
        f"{task}.WatermarkAssigner_3.{name}" for task in "01" for name in ("numRecordsOut", "currentOutputWatermark")
    ]
    values = [{"id": names[0], "value": "10"}, {"id": names[2], "value": "5"}]
    values += [{"id": names[index], "value": value} for index, value in zip((1, 3), watermarks, strict=True)]
    Flink.answers = {
        "/jobs/j": {"vertices": [{"id": "v1"}, {"id": "v2"}]},
        "/jobs/j/vertices/v1/metrics": [{"id": "0.Source.numRecordsOut"}],
        "/jobs/j/vertices/v2/metrics": [
            {"id": name} for name in ["0.parse.other", "0.Correlate_1.numRecordsOut", *names]
        ],
        "/jobs/j/vertices/v2/metrics?get=" + ",".join(names): values,
    }


def test_a_reading_sums_the_lines_of_all_subtasks_and_takes_the_least_watermark(port: int) -> None:
    answer(watermarks=[str(NOON_MS + 9), str(NOON_MS)])
    assert JobMetrics(port, "j").read() == Reading(15, NOON_MS)


def test_batch_mode_has_lines_and_no_watermark(port: int) -> None:
    lines = "0.Correlate[3].numRecordsOut"
    Flink.answers = {
        "/jobs/j": {"vertices": [{"id": "v1"}, {"id": "v2"}]},
        "/jobs/j/vertices/v1/metrics": [{"id": lines}],  # of the counters' task
        "/jobs/j/vertices/v2/metrics": [{"id": "0.parse.numRecordsOut"}, {"id": lines}],
        f"/jobs/j/vertices/v2/metrics?get={lines}": [{"id": lines, "value": "7"}],
    }
    assert JobMetrics(port, "j").read() == Reading(7, None)


@pytest.mark.parametrize("watermark", [str(-(2**63)), str(2**63 - 1)])
def test_before_the_first_watermark_and_after_the_last_there_is_none(port: int, watermark: str) -> None:
    answer(watermarks=[watermark, watermark])
    assert JobMetrics(port, "j").read() == Reading(15, None)


def test_a_job_that_does_not_answer_gives_no_reading(port: int) -> None:
    assert JobMetrics(port, "j").read() is None
    Flink.answers = {"/jobs/j": {"vertices": []}}
    assert JobMetrics(port, "j").read() is None


def test_a_job_that_answers_later_is_asked_again(port: int) -> None:
    metrics = JobMetrics(port, "j")
    assert metrics.read() is None
    answer(watermarks=["1", "1"])
    assert metrics.read() == Reading(15, 1)


def test_readings_end_with_the_job_and_leave_out_what_was_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "ASK_SECONDS", 0.0)
    found = iter([Reading(1, None), None, Reading(3, 7)])
    done = iter([False, False, False, True])
    metrics = JobMetrics(0, "j")
    monkeypatch.setattr(JobMetrics, "read", lambda _: next(found))
    assert list(readings(metrics, lambda: next(done))) == [Reading(1, None), Reading(3, 7)]
