"""What a line of the log is, once read and checked: NamedTuples, cheap to build, all times in ms.

`event_ms` moves the watermark and is never later than `arrival_ms`; `decision_ms` is the raw time of the
decision id and makes deadlines, so that a decision and its rewards agree on them.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

__all__ = ["Decision", "Event", "Forget", "Heartbeat", "Record", "Reward"]


class Decision(NamedTuple):
    """An item was chosen among `count` candidates; `message_id` is the decision id.

    `payload` is the decision as canonical JSON (sorted keys, version 8, without arrival and unknown fields):
    equal payloads are the same decision. `core` is the same without what comes after the item, still JSON: no member
    that learning reads is missing. `sample` is one candidate that was passed over, if `has_sample`.
    """

    message_id: str
    model: str
    item: Any
    count: int  # type: ignore[assignment]  # the protocol's name; tuple.count is of no use here
    context: Any
    has_sample: bool
    sample: Any
    decision_ms: int
    arrival_ms: int
    event_ms: int
    payload: str
    core: str


class Reward(NamedTuple):
    """A number earned by a decision."""

    message_id: str
    model: str
    decision_id: str
    value: float
    decision_ms: int
    arrival_ms: int
    event_ms: int


class Record(NamedTuple):
    """A labelled training record in name-term-value form; `entity` is an entity key or None (no entity).

    A feature may appear twice: its values add up. `payload` is the record as canonical JSON, itself a line.
    """

    message_id: str
    model: str
    entity: str | None
    label: float
    weight: float
    offset: float
    features: tuple[tuple[str, str, float], ...]
    arrival_ms: int
    event_ms: int
    payload: str


class Forget(NamedTuple):
    """An entity (`["u1"]`, of so many `values`) is to be forgotten, with all that was decided up to `until_ms`.

    `payload` is the line as canonical JSON.
    """

    message_id: str
    model: str
    entity: str
    values: int
    until_ms: int
    arrival_ms: int
    event_ms: int
    payload: str


class Heartbeat(NamedTuple):
    """Time passes: moves the watermark and nothing else."""

    time_ms: int
    arrival_ms: int
    event_ms: int


Event: TypeAlias = Decision | Reward | Record | Forget | Heartbeat
