"""What learn keeps of a key as one text: its state F the time up to which it is forgotten F the end of its last window.

The last two are left out where they say nothing: nobody was forgotten; the state's own fence is that end.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_text import decode_state
from lambda_learner.learn.window import NEVER
from operators.rows import FIELD
from operators.served import NO_STATE

__all__ = ["Held"]

_SOME_TIME: Final = 1  # in ms, of a key without state: releases before did not keep when its last window was


class Held(NamedTuple):
    """The state that learning goes on from, the times in ms; `fence_ms` NEVER: the run had no window of the key yet."""

    state: EntityState | None = None
    forgotten_ms: int = NEVER
    fence_ms: int = NEVER

    @classmethod
    def of(cls, kept: str | None) -> Held:
        """What a text says; None is the text of a key that nothing is kept of."""
        if kept is None:
            return cls()
        text, _, marks = kept.partition(FIELD)
        forgotten, _, fence = marks.partition(FIELD)
        state = decode_state(text) if text != NO_STATE else None
        own_ms = state.fence_ms if state is not None else _SOME_TIME
        return cls(state, int(forgotten or NEVER), int(fence) if fence else own_ms)

    @property
    def is_published(self) -> bool:
        """Whether the state is not the run's own yet: that of a warm start."""
        return self.state is not None and self.fence_ms == NEVER

    def has_passed(self, close_ms: int) -> bool:
        """Whether the run had the window that ends at a time already, or a later one of the key."""
        return close_ms <= self.fence_ms

    def text(self, of_state: str) -> str:
        """The text that says all this, where that of the state, or NO_STATE, is given."""
        if self.state is None or self.state.fence_ms != self.fence_ms:
            return f"{of_state}{FIELD}{self.forgotten_ms}{FIELD}{self.fence_ms}"
        return f"{of_state}{FIELD}{self.forgotten_ms}" if self.forgotten_ms else of_state
