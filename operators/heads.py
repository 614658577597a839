"""The head of a text of counts that learn sends: what the trigger stage has to know of one window, in fixed places.

! | close in ms, 13 digits | joined decisions, 9 | records scored, 9 | their loss, 18 | model ROW
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lambda_learner.evaluation.progressive import MICRO, PREFIX
from lambda_learner.retrain.trigger import Observation
from operators.rows import FIELD, ROW

__all__ = ["MARK", "head", "observation_of"]

MARK: Final = "!"  # no line of counts begins with it, and no line about a publish
_MOST_LOSS: Final = 10**18 - 1  # micro-nats or millionths of a squared unit: a thousand of the worst examples
_FORMAT: Final = f"{MARK}%013d%09d%09d%018d%s{ROW}"  # an f-string would take twice the time
_COUNT: Final = (0, f"{PREFIX}count")
_LOG_LOSS: Final = (0, f"{PREFIX}entity.log_loss_micro")
_SQUARED_ERROR: Final = (0, f"{PREFIX}entity.squared_error_micro")


def head(model: str, close_ms: int, counts: Mapping[tuple[int, str], int]) -> str:
    """The head of the counts of one window of a model."""
    joined = 0
    for key, n in counts.items():
        if key[1] == "joined":
            joined += n
    loss = counts.get(_LOG_LOSS) or counts.get(_SQUARED_ERROR, 0)
    loss = min(loss, _MOST_LOSS)
    return _FORMAT % (close_ms, joined, counts.get(_COUNT, 0), loss, model)


def observation_of(text: str) -> Observation:
    """What a minute's row says (`observed.py`); the loss in its own unit, not in millionths."""
    end_ms, decisions, records, loss = text.split(FIELD)
    return Observation(int(end_ms), int(decisions), int(records), float(loss) / MICRO)
