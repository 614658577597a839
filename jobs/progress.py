"""What a running job has done so far, asked of Flink's own REST interface, and a display of it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from operators.clock import wall_clock_ms

# What every line passes: where the watermark is made, and for batch mode, which makes none, where lines are cut.
LINES_OPERATORS = ("WatermarkAssigner", "Correlate")
READER = ".parse."  # both are in its task
ASK_SECONDS = 1.0
END_OF_INPUT_MS = 2**62  # a watermark beyond it says that the input has ended


class Reading(NamedTuple):
    """Lines read since the job (re)started, and the watermark in ms (None before the first)."""

    events: int
    watermark_ms: int | None


class JobMetrics:
    """Reads the job's metrics from a mini-cluster's REST port."""

    def __init__(self, port: int, job_id: str) -> None:
        """Remember where to ask; nothing is asked yet."""
        self._job = f"http://127.0.0.1:{port}/jobs/{job_id}"
        self._metrics: tuple[str, list[str]] | None = None

    def read(self) -> Reading | None:
        """The numbers of now; None while the job does not answer."""
        try:
            if self._metrics is None:
                self._metrics = self._find()
            vertex, names = self._metrics
            values = self._get(f"/vertices/{vertex}/metrics?get=" + ",".join(names))
        except (OSError, LookupError, ValueError):
            return None
        events = sum(int(v["value"]) for v in values if v["id"].endswith("numRecordsOut"))
        watermarks = [int(v["value"]) for v in values if v["id"].endswith("currentOutputWatermark")]
        watermark = min(watermarks, default=-1)
        return Reading(events, watermark if 0 <= watermark < END_OF_INPUT_MS else None)

    def _find(self) -> tuple[str, list[str]]:
        for vertex in self._get("")["vertices"]:
            ids = [metric["id"] for metric in self._get(f"/vertices/{vertex['id']}/metrics")]
            for operator in LINES_OPERATORS if any(READER in i for i in ids) else ():
                mine = [i for i in ids if operator in i and i.endswith(("numRecordsOut", "currentOutputWatermark"))]
                if mine:
                    first = mine[0].split(".", 1)[1].rsplit(".", 1)[0]
                    return vertex["id"], [i for i in mine if first in i]
        raise LookupError(LINES_OPERATORS[0])

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._job + path, timeout=ASK_SECONDS) as answer:  # noqa: S310 - loopback http
            return json.load(answer)


def readings(metrics: JobMetrics, is_done: Any) -> Iterator[Reading]:
    """A reading each second until the job is done."""
    while not is_done():
        time.sleep(ASK_SECONDS)
        reading = metrics.read()
        if reading is not None:
            yield reading


def show(metrics: JobMetrics, is_done: Any) -> None:
    """Show events, events/s, watermark and lag on stderr until the job is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("starting Flink")
        before, at = 0, time.monotonic()
        for reading in readings(metrics, is_done):
            now = time.monotonic()
            rate = max(reading.events - before, 0) / (now - at)
            before, at = reading.events, now
            progress.update(task, description=describe(reading, rate, now_ms=wall_clock_ms()))


def describe(reading: Reading, rate: float, *, now_ms: int) -> str:
    """One line about a reading: lag is wall clock less watermark."""
    line = f"{reading.events:,} events · {rate:,.0f}/s"
    if reading.watermark_ms is None:
        return line
    watermark = datetime.fromtimestamp(reading.watermark_ms / 1000, tz=UTC)
    return f"{line} · watermark {watermark:%Y-%m-%d %H:%M:%S} · lag {_duration((now_ms - reading.watermark_ms) / 1000)}"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"
