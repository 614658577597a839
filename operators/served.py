"""What readers of the bucket had of each key: states by when they became readable (`lambda_learner/learn/served.py`).

Keyed state, of scored runs alone: `readable-states`, of one entity the texts of its states by the event time in ms
from which on readers have them; NO_STATE is none. As many as the publish intervals that a decision can lie behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from lambda_learner.learn.served import (
    FROM_THE_START_MS,
    Readers,
    decision_time_ms,
    newest_readable,
    outdated,
    served_score,
)
from lambda_learner.learn.state import EntityState, Example
from lambda_learner.learn.state_text import decode_state, encode_state
from lambda_learner.learn.window import WindowOutcome
from lambda_learner.policy import ModelPolicy

__all__ = ["NO_STATE", "Served"]

NO_STATE: Final = ""  # in place of the text of a state


class Served:
    """The states of the current key that a reader had, for as long as a decision may ask for them."""

    def __init__(self, readers: Readers, context: RuntimeContext) -> None:
        descriptor = MapStateDescriptor("readable-states", Types.LONG(), Types.STRING())
        self._states: Any = context.get_map_state(descriptor)
        self._readers = readers

    def scores(
        self, outcome: WindowOutcome, before: EntityState | None, policy: ModelPolicy
    ) -> Mapping[str, float | None]:
        """How a reader's state of its time scores each example, by decision_id; None where that is not known.

        `before` is the state ahead of the window. It is not known of what was learned while nobody kept the states: in
        a run without scores, or before a warm start.
        """
        times_ms = self._times_from(before)
        found: dict[str, float | None] = {}
        for example in outcome.examples:
            at_ms = newest_readable(times_ms, decision_time_ms(example.decision_id))
            found[example.decision_id] = None if at_ms is None else self._score(example, at_ms, outcome, policy)
        return found

    def keep(self, text: str, close_ms: int, policy: ModelPolicy) -> None:
        """Keep the state, or NO_STATE, that the window ending at `close_ms` made; forget what nobody asks for again."""
        self._states.put(self._readers.have_from(close_ms), text)
        earliest_ms = close_ms - policy.reward.window_ms - policy.update_interval_ms
        for at_ms in outdated(sorted(self._states.keys()), earliest_ms):
            self._states.remove(at_ms)

    def forget(self) -> None:
        """Keep nothing of the key."""
        for at_ms in sorted(self._states.keys()):
            self._states.remove(at_ms)

    def _times_from(self, before: EntityState | None) -> list[int]:
        """When the kept states became readable, in order; the state before begins them if they do not end with it."""
        times_ms = sorted(self._states.keys())
        newest = _state(self._states.get(times_ms[-1])) if times_ms else None
        if times_ms and _fence(newest) == _fence(before):
            return times_ms
        self.forget()
        if before is None:
            self._states.put(FROM_THE_START_MS, NO_STATE)
            return [FROM_THE_START_MS]
        at_ms = self._readers.have_from(before.fence_ms)
        self._states.put(at_ms, encode_state(before))
        return [at_ms]

    def _score(self, example: Example, at_ms: int, outcome: WindowOutcome, policy: ModelPolicy) -> float:
        return served_score(
            example,
            _state(self._states.get(at_ms)),
            policy.learner.prior,
            generation=policy.generation,
            base_version=outcome.base_version,
        )


def _state(text: str) -> EntityState | None:
    return decode_state(text) if text != NO_STATE else None


def _fence(state: EntityState | None) -> int | None:
    return None if state is None else state.fence_ms
