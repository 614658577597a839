"""What the archive does not take: the decisions of entities that were forgotten, up to when they were.

State: none. Who is forgotten is in the train bucket before the line that says so is in the log, and is looked at again
after LOOK_MS and at each such line: a job that was behind, or reads lines again, brings nothing back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from lambda_learner.archive.forgotten import Forgotten, read_forgotten
from lambda_learner.events.schema import Decision, Reward
from lambda_learner.features.entity import entity_of
from lambda_learner.policy import Policies
from lambda_learner.publish.errors import BucketError
from lambda_learner.publish.store import Store
from operators.clock import wall_clock_ms

__all__ = ["LOOK_MS", "ForgottenEntities", "UnknownForgotten"]

LOOK_MS: Final = 10_000  # an object a model is read so often; `lambda-learner forget` waits for as long
_Archived: TypeAlias = Decision | Reward


class UnknownForgotten(RuntimeError):
    """Who is forgotten cannot be read; without it the archive would take what it must not."""


class _Read(NamedTuple):
    """What was read of a model, and the wall clock's time before it was."""

    entities: Mapping[str, int]
    at_ms: int


class ForgottenEntities:
    """Knows who is forgotten."""

    def __init__(self, store: Store, policies: Policies, *, clock_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._store, self._policies, self._clock_ms = store, policies, clock_ms
        self._read: dict[str, _Read] = {}

    def look_again(self) -> None:
        """Read it anew: a line has said that there is more."""
        self._read.clear()

    def without(self, events: Iterable[_Archived]) -> list[_Archived]:
        """The events but for decisions of those who are forgotten. UnknownForgotten if that cannot be read."""
        events = list(events)
        now_ms, models = self._clock_ms(), {event.model for event in events}
        by_model = {model: entities for model in models if (entities := self._entities(model, now_ms))}
        if not by_model:
            return events
        forgotten = Forgotten(by_model)
        return [event for event in events if not self._is_forgotten(event, forgotten)]

    def _entities(self, model: str, now_ms: int) -> Mapping[str, int]:
        held = self._read.get(model)
        if held is None or not 0 <= now_ms - held.at_ms < LOOK_MS:
            try:
                held = self._read[model] = _Read(read_forgotten(self._store, model), now_ms)
            except BucketError as error:  # as a RuntimeError it comes whole through the pipe of the process
                message = f"who is forgotten cannot be read: {error}"
                raise UnknownForgotten(message) from error
        return held.entities

    def _is_forgotten(self, event: _Archived, forgotten: Forgotten) -> bool:
        policy = self._policies.of(event.model)
        if not isinstance(event, Decision) or event.model not in forgotten.by_model or policy is None:
            return False
        entity = entity_of(event.item, event.context, policy.entity_paths)
        return entity is not None and event.decision_ms <= forgotten.until_ms(event.model, entity)
