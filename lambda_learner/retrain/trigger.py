"""When one model is to be retrained: a pure step from a state and an observation to the next state and its requests.

A request's id is a function of its cause: the due time of a schedule, the number of decisions reached, or the number
of the alarm. A state that was restored from a checkpoint and sees the same decisions again asks for the same ids, and
creating a request twice is creating it once (`requests.py`). Where one step passes several causes of a kind, such as
the due times of a quiet week, the newest stands for them all.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from lambda_learner.retrain.drift import Drift, DriftSettings, observe
from lambda_learner.retrain.requests import Cause, RetrainRequest
from lambda_learner.retrain.schedule import Schedule

__all__ = ["Observation", "TriggerSettings", "TriggerState", "TriggerStateError", "advance", "dumps", "loads"]

FORMAT_VERSION: Final = 1
NOTHING_SEEN_MS: Final = -1
_ORIGIN: Final = re.compile(r"[a-zA-Z0-9_\-]{1,40}")


class TriggerSettings(NamedTuple):
    """The causes that are looked for; None: not this one. `new_decisions`: at each whole multiple of so many."""

    schedule: Schedule | None = None
    new_decisions: int | None = None
    drift: DriftSettings | None = None


class Observation(NamedTuple):
    """What has come up to an event time: new decisions, and the summed loss of the records scored."""

    event_ms: int
    decisions: int = 0
    records: int = 0
    loss_sum: float = 0.0


@dataclass(frozen=True, slots=True)
class TriggerState:
    """What is kept of one model; no setting is part of it, so settings may change between two steps.

    origin: names the beginning of the counts, such as the id of the job's fresh start: a state that begins anew must
    not repeat the ids of one before it. It is kept by restarts that restore the state.
    """

    origin: str
    event_ms: int = NOTHING_SEEN_MS
    decisions: int = 0
    alarms: int = 0
    drift: Drift = Drift()

    def __post_init__(self) -> None:
        """Refuse an origin that cannot be part of a key."""
        if not _ORIGIN.fullmatch(self.origin):
            message = f"origin must be 1–40 ASCII letters, digits, '_' or '-', got {self.origin!r}"
            raise ValueError(message)


class TriggerStateError(ValueError):
    """The text is no trigger's state, or a newer release wrote it."""


def advance(
    state: TriggerState, observation: Observation, *, model: str, settings: TriggerSettings
) -> tuple[TriggerState, tuple[RetrainRequest, ...]]:
    """The state after the observation, and a request for each cause that came up.

    Event time never goes back. The first observation of all begins the schedule: it is not itself due.
    """
    drift, alarm = state.drift, False
    if settings.drift is not None:
        drift, alarm = observe(drift, observation.records, observation.loss_sum, settings.drift)
    after = replace(
        state,
        event_ms=max(state.event_ms, observation.event_ms),
        decisions=state.decisions + observation.decisions,
        alarms=state.alarms + alarm,
        drift=drift,
    )
    causes = (_due(state, after, settings), _counted(state, after, settings), _alarmed(after) if alarm else None)
    requests = (RetrainRequest(model, found[1], found[0], after.event_ms) for found in causes if found is not None)
    return after, tuple(requests)


def _due(state: TriggerState, after: TriggerState, settings: TriggerSettings) -> tuple[Cause, str] | None:
    if settings.schedule is None or not NOTHING_SEEN_MS < state.event_ms < after.event_ms:
        return None
    due_ms = settings.schedule.latest(after.event_ms)
    if due_ms is None or due_ms <= state.event_ms:
        return None
    moment = datetime.fromtimestamp(due_ms // 1000, tz=UTC)
    return "schedule", f"schedule-{moment:%Y%m%dT%H%M%S}{due_ms % 1000:03d}Z"


def _counted(state: TriggerState, after: TriggerState, settings: TriggerSettings) -> tuple[Cause, str] | None:
    every = settings.new_decisions
    if every is None or after.decisions // every == state.decisions // every:
        return None
    return "decisions", f"decisions-{state.origin}-{after.decisions // every * every:012d}"


def _alarmed(after: TriggerState) -> tuple[Cause, str]:
    return "drift", f"drift-{after.origin}-{after.alarms:06d}"


def dumps(state: TriggerState) -> str:
    """The state as JSON text, bit for bit."""
    fields = asdict(state) | {"drift": state.drift._asdict(), "format_version": FORMAT_VERSION}
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()


def loads(text: str) -> TriggerState:
    """The state that `dumps` was given; TriggerStateError for anything else."""
    try:
        fields: dict[str, Any] = orjson.loads(text)
        version = fields.pop("format_version")
        if version == FORMAT_VERSION:
            return TriggerState(**(fields | {"drift": Drift(**fields["drift"])}))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"a trigger's state is a JSON object of its fields, got {text[:80]!r}"
        raise TriggerStateError(message) from error
    message = (
        f"a trigger's state has format version {version}, this release reads up to {FORMAT_VERSION}: "
        "run the release that wrote it, or a newer one"
    )
    raise TriggerStateError(message)
