"""The endpoint's metrics for Prometheus: what became of requests, and how full queue and room are when it asks.

Labels are bounded: statuses and reasons are words of ours, projects those of the key file; no path, no method.
A request that read no body and was answered 200 is a page or a preflight: counted, but left out of the durations.
Alerts worth having: `sink_problem` over 0; 503 among `requests_total`; `sink_waiting_bytes` that stays high.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from jobs.track import answers
from jobs.track.answers import Answer
from jobs.track.outcome import Outcome
from jobs.track.room import Room

__all__ = ["Depth", "Metrics"]

_NAMESPACE: Final = "lambda_learner_track"
# From what one fsync takes to the ten seconds that a body has; the aim for the 99th percentile, 50 ms, is an edge.
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OK: Final = 200


class Depth(Protocol):
    """What waits in a sink until it is durable, and why nothing is stored, while nothing is."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes of lines that are not answered."""
        ...

    @property
    def waiting_events(self) -> int:
        """Lines that are not answered."""
        ...

    @property
    def problem(self) -> str | None:
        """Why the sink stores nothing."""
        ...


class _Kind(NamedTuple):
    """The metrics of one kind of outcome; finding them by their labels each time would cost more than counting."""

    requests: Counter
    seconds: Histogram


class Metrics:
    """An observer of outcomes and the page that tells them; a registry of its own, nothing global.

    `room` is one that no request has taken from yet. `observe` costs about 2 µs.
    """

    def __init__(self, depth: Depth, room: Room) -> None:
        self._registry = CollectorRegistry()
        self._kinds: dict[tuple[int, str, str | None], _Kind] = {}
        self._requests = self._counter(
            "requests", "Requests by answer; 0: gone before it.", "status", "reason", "project"
        )
        self._seconds = Histogram(
            "request_duration_seconds",
            "From a request's head to its answer; pages and preflights are left out.",
            ["status"],
            namespace=_NAMESPACE,
            buckets=SECONDS,
            registry=self._registry,
        )
        self._body_bytes = self._counter("body_bytes", "Bytes of bodies, as they came.")
        self._stored = self._counter("events_stored", "Events that were answered 200, hence durable.")
        self._watch(depth, room)
        ProcessCollector(registry=self._registry)

    def observe(self, outcome: Outcome) -> None:
        """Count one request."""
        key = (outcome.status, outcome.reason, outcome.project)
        kind = self._kinds.get(key) or self._new_kind(key)
        kind.requests.inc()
        if outcome.status != _OK:
            kind.seconds.observe(outcome.seconds)
        elif outcome.bytes_read:  # an empty body is never an event
            kind.seconds.observe(outcome.seconds)
            self._stored.inc()
        self._body_bytes.inc(outcome.bytes_read)

    def page(self) -> Answer:
        """All metrics in Prometheus' text format."""
        return answers.page(generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def _new_kind(self, key: tuple[int, str, str | None]) -> _Kind:
        status, reason, project = key
        requests = self._requests.labels(str(status), reason, project or "")
        kind = self._kinds[key] = _Kind(requests, self._seconds.labels(str(status)))
        return kind

    def _watch(self, depth: Depth, room: Room) -> None:
        room_bytes = room.free_bytes
        gauges = {
            "sink_waiting_bytes": ("Bytes that wait to be durable.", lambda: depth.waiting_bytes),
            "sink_waiting_events": ("Events that wait to be durable.", lambda: depth.waiting_events),
            "sink_problem": ("1 while the sink stores nothing.", lambda: depth.problem is not None),
            "body_room_used_bytes": ("Bytes that bodies hold.", lambda: room_bytes - room.free_bytes),
            "body_room_bytes": ("Bytes that bodies may hold together; above it, 503.", lambda: room_bytes),
        }
        for name, (help_text, value) in gauges.items():
            Gauge(name, help_text, namespace=_NAMESPACE, registry=self._registry).set_function(value)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, namespace=_NAMESPACE, registry=self._registry)
