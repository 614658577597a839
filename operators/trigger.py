"""Trigger stage: asks for the retraining of a model; the rule is `lambda_learner/retrain/trigger.py`.

Keyed state (by model): `trigger-state`, a versioned text. Timers: event time, the next due time of the schedule and
each whole hour, at which settings that have changed since the timer was set are looked at. No side outputs. A request
is an object in the train bucket, whose key is a function of its cause: after a failure it is made again, that is, not
at all. Its line leaves with the checkpoint that holds the state after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from lambda_learner.publish.store import Store, open_store
from lambda_learner.retrain.requests import RetrainRequest, create
from lambda_learner.retrain.trigger import Observation, TriggerSettings, TriggerState, advance, dumps, loads
from operators.heads import observation_of
from operators.learn import END_OF_INPUT_MS

__all__ = ["Trigger", "Triggers", "request_line"]

LOOK_MS: Final = 3_600_000
LEAP_MS: Final = 86_400_000  # process mode hears of event time in steps; none as long as this but after a gap


@dataclass(frozen=True, slots=True)
class Triggers:
    """What asks for retraining, of the models that are named and of all others; into which bucket.

    `origin` names the beginning of the job's counts: it is kept when the job goes on from its state (`TriggerState`).
    """

    bucket: str
    origin: str
    named: Mapping[str, TriggerSettings]
    unknown: TriggerSettings

    def of(self, model: str) -> TriggerSettings | None:
        """The causes that are looked for; None without any."""
        settings = self.named.get(model, self.unknown)
        return None if settings == TriggerSettings() else settings

    @property
    def is_any(self) -> bool:
        """Whether any model may have to be retrained."""
        return any(settings != TriggerSettings() for settings in (*self.named.values(), self.unknown))


class Trigger(KeyedProcessFunction):  # type: ignore[misc]
    """Creates a request for each cause that comes up, and emits a JSON line about it."""

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers

    def open(self, runtime_context: RuntimeContext) -> None:
        """Name the state; the bucket is opened for the first request."""
        self._state = runtime_context.get_state(ValueStateDescriptor("trigger-state", Types.STRING()))
        self._opened: Store | None = None

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[str]:
        """Take in a minute of the model."""
        yield from self._advance(observation_of(value), ctx)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[str]:
        """Event time alone has moved on; of the due times in a leap of more than a day the newest counts."""
        watermark_ms = ctx.timer_service().current_watermark()
        if watermark_ms != END_OF_INPUT_MS:  # at the end no time has passed: nothing is due
            leaps = watermark_ms - timestamp > LEAP_MS
            yield from self._advance(Observation(watermark_ms if leaps else timestamp), ctx)

    def _advance(self, observation: Observation, ctx: Any) -> Iterator[str]:
        model = ctx.get_current_key()
        settings = self._triggers.of(model)
        if settings is None:
            return
        text = self._state.value()
        before = TriggerState(self._triggers.origin) if text is None else loads(text)
        state, requests = advance(before, observation, model=model, settings=settings)
        self._state.update(dumps(state))
        for request in requests:
            create(self._store(), request)
            yield request_line(request)
        ctx.timer_service().register_event_time_timer(_next_look_ms(state.event_ms, settings))

    def _store(self) -> Store:
        if self._opened is None:
            self._opened = open_store(self._triggers.bucket)
        return self._opened


def _next_look_ms(event_ms: int, settings: TriggerSettings) -> int:
    """The next due time, or the next hour if that is sooner: equal looks of many observations are one timer."""
    hour_ms = event_ms - event_ms % LOOK_MS + LOOK_MS
    due_ms = None if settings.schedule is None else settings.schedule.following(event_ms)
    return hour_ms if due_ms is None else min(due_ms, hour_ms)


def request_line(request: RetrainRequest) -> str:
    """A request as one JSON line: model, request_id, cause, event_ms."""
    return orjson.dumps(request._asdict()).decode()
