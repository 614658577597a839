"""A decision's target, worked out anew from its archived rewards by the model's own rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import orjson

from lambda_learner.events import ksuid
from lambda_learner.join import DecisionCopy, JoinedRow, RewardCopy, RewardPolicy, deadline_ms, reward_decision
from lambda_learner.retrain.settings import LateRewards

__all__ = ["MAX_REWARD", "MS", "rewards_of", "target"]

MS: Final = 1000  # milliseconds in a second
MAX_REWARD: Final = 1e18  # in size; the square of a larger one is no float32, and trees would be of NaN
_NONE: Final = (None, b"{}")
_COPY: Final = (DecisionCopy(0, 0),)


def rewards_of(
    texts: Sequence[bytes | None], seconds: Sequence[float], policy: RewardPolicy, late: LateRewards
) -> npt.NDArray[np.float64]:
    """The reward of each decision, NaN where its rewards cannot be used: no map of numbers, or over 1e18 in size."""
    rewards = np.full(len(texts), policy.default, np.float64)
    for row, text in enumerate(texts):
        if text not in _NONE:
            try:
                rewards[row] = target(text, seconds[row], policy, late=late)
            except ValueError:
                rewards[row] = np.nan
    rewards[~(np.abs(rewards) <= MAX_REWARD)] = np.nan
    return rewards


def target(text: bytes | str, decision_s: float, policy: RewardPolicy, *, late: LateRewards) -> float:
    """The reward that a map of message id → value as JSON makes; ValueError if it is none.

    With `late` exclude, a reward whose id is of a time after the decision's reward window is not there.
    """
    values = orjson.loads(text)
    if not isinstance(values, dict):
        message = f"rewards must be an object, got {text[:40]!r}"
        raise ValueError(message)  # noqa: TRY004 - the text is wrong, not its type
    until_ms = deadline_ms(int(decision_s) * MS, policy.window_ms) if late == "exclude" else None
    copies = tuple(
        RewardCopy(message_id, 0, _number(value))
        for message_id, value in values.items()
        if until_ms is None or ksuid.unix_seconds(message_id) * MS <= until_ms
    )
    return reward_decision(JoinedRow("", "", "", _COPY, copies), policy).reward  # type: ignore[union-attr]


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        message = f"a reward must be a number, got {value!r}"
        raise ValueError(message)  # noqa: TRY004 - as above
    return float(value)
