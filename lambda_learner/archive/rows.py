"""Rows of the archive (improve_protocol.md §3): a decision is a row without rewards, a reward a partial row.

Columns and types are the Gym's. After them come columns of ours, in files that have a value there only: the Gym's
reader takes columns by name and never sees them. They hold what a decision may carry besides, as JSON texts.

JSON texts have sorted keys and no spaces, as orjson writes them, which the Gym uses too: Python's json spells
some floats otherwise (1e-07 for 1e-7), every reader takes both. No text: SQL null. The value null: the text `null`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson
import pyarrow as pa

from lambda_learner.events.schema import Decision, Reward

__all__ = [
    "DECISION_COLUMNS",
    "EXTRAS",
    "GYM_COLUMNS",
    "NO_REWARDS",
    "SCHEMA",
    "ArchiveRow",
    "decision_row",
    "reward_row",
    "table_of",
]

GYM_COLUMNS: Final = ("decision_id", "item", "context", "count", "sample", "rewards", "reward")
EXTRAS: Final = ("candidates", "model_version", "propensity", "runners_up")
DECISION_COLUMNS: Final = ("item", "context", "count", "sample", *EXTRAS)  # all from one copy of the decision
NO_REWARDS: Final = "{}"
_DOUBLES: Final = ("count", "reward")
SCHEMA: Final = pa.schema(
    [(name, pa.float64() if name in _DOUBLES else pa.string()) for name in (*GYM_COLUMNS, *EXTRAS)]
)
_MARKS: Final = tuple(f'"{name}":' for name in EXTRAS)


class ArchiveRow(NamedTuple):
    """One row, its fields in the order of the columns; a partial row has no decision, so all of that is None."""

    decision_id: str
    item: str | None = None
    context: str | None = None
    count: float | None = None  # type: ignore[assignment]  # the protocol's name; tuple.count is of no use here
    sample: str | None = None
    rewards: str = NO_REWARDS
    reward: float = 0.0
    candidates: str | None = None
    model_version: str | None = None
    propensity: str | None = None
    runners_up: str | None = None


def decision_row(decision: Decision) -> ArchiveRow:
    """The row of a decision, without rewards; a decision without context has the text `null` there."""
    sample = _text(decision.sample) if decision.has_sample else None
    row = ArchiveRow(decision.message_id, _text(decision.item), _text(decision.context), float(decision.count), sample)
    payload = decision.payload
    for mark in _MARKS:
        if mark in payload:
            return _with_extras(row, payload)
    return row


def reward_row(reward: Reward) -> ArchiveRow:
    """The partial row of a reward: it waits for its decision as long as it takes."""
    value = reward.value + 0.0  # -0.0 becomes 0.0: which of the two is greater hangs on order
    return ArchiveRow(reward.decision_id, rewards=_text({reward.message_id: value}), reward=value)


def table_of(rows: Iterable[ArchiveRow]) -> pa.Table:
    """The rows as a table of all columns, in their order."""
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _with_extras(row: ArchiveRow, payload: str) -> ArchiveRow:
    fields = orjson.loads(payload)
    candidates, model_version, propensity, runners_up = (
        _text(fields[name]) if name in fields else None for name in EXTRAS
    )
    return row._replace(
        candidates=candidates, model_version=model_version, propensity=propensity, runners_up=runners_up
    )


def _text(value: object) -> str:
    """Canonical JSON; what nests too deep to be written was refused with the line."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
