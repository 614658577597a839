"""An entity's state as text, which crosses to the JVM in one piece (a byte array goes element by element).

The newest states are kept decoded: a window's update begins with the state that the last one wrote, and its publish
reads it again.
"""

from __future__ import annotations

import base64
from threading import Lock
from typing import Final

from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_format import from_bytes, to_bytes

__all__ = ["decode_state", "encode_state"]

MAX_KEPT: Final = 16_000_000  # characters of text; the states behind it take some five times that in memory


class _Newest:
    """States by their text, the oldest dropped first; threads may share it."""

    def __init__(self, max_characters: int) -> None:
        self._states: dict[str, EntityState] = {}
        self._characters, self._max_characters = 0, max_characters
        self._lock = Lock()
        self.get = self._states.get

    def put(self, text: str, state: EntityState) -> None:
        """Keep a state, and drop what is too much."""
        with self._lock:
            if text not in self._states:
                self._characters += len(text)
            self._states[text] = state
            while self._characters > self._max_characters:
                oldest = next(iter(self._states))
                del self._states[oldest]
                self._characters -= len(oldest)


_newest: Final = _Newest(MAX_KEPT)


def encode_state(state: EntityState) -> str:
    """The versioned binary form of a state as base64 text."""
    text = base64.b64encode(to_bytes(state)).decode("ascii")
    _newest.put(text, state)
    return text


def decode_state(text: str) -> EntityState:
    """Read back `encode_state`; raises what `state_format.from_bytes` raises."""
    state = _newest.get(text)
    if state is None:
        state = from_bytes(base64.b64decode(text))
        _newest.put(text, state)
    return state
