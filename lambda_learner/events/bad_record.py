"""The one exception for bad data: raised below `wire.decode` only, turned into a dead letter by parse."""

from __future__ import annotations

from reprlib import Repr
from typing import Final, Literal, TypeAlias

import orjson

__all__ = ["MAX_VALUE_CHARACTERS", "BadRecord", "Reason", "show"]

MAX_VALUE_CHARACTERS: Final = 200  # enough to see what is wrong; the dead letter has the raw bytes

Reason: TypeAlias = Literal[
    "too_large",
    "empty",
    "not_utf8",
    "not_json",
    "not_object",
    "too_deep",
    "missing_field",
    "bad_received_at",
    "bad_message_id",
    "bad_model",
    "bad_count",
    "unexpected_sample",
    "bad_runners_up",
    "bad_candidates",
    "bad_propensity",
    "bad_model_version",
    "bad_decision_id",
    "bad_reward",
    "bad_heartbeat",
    "bad_record",
    "bad_forget",
    "clock_ahead",
    "damaged_file",
    "unknown_model",
]

_SHALLOW: Final = Repr()  # six levels and a few members: safe for any depth and size


class BadRecord(ValueError):
    """A line that breaks a rule: `reason` is its code, `str()` names field, rule and value."""

    def __init__(self, reason: Reason, field: str, value: str, rule: str) -> None:
        """Take the value as text, shortened (`show`), and the rule as what follows the field's name."""
        super().__init__(reason, field, value, rule)  # all of them, so that it pickles
        self.reason: Reason = reason
        self.field = field
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        """`count must be an integer ≥ 1, got 0`."""
        return f"{self.field} {self.rule}, got {self.value}"


def show(value: object) -> str:
    """A parsed JSON value as text of at most 200 characters; never raises."""
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nests too deep to write
        text = _SHALLOW.repr(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…"
