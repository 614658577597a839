"""Merge: rows of one decision_id become one, whatever their number, order or history.

    decision   the copy whose canonical JSON text is the greatest, whole: columns of two copies never mix
    rewards    the union by message_id; of two values the greater
    reward     the sum of the union, in order of message_id

So merge is commutative, associative and idempotent: merge of any split, order and repetition of the rows is one
table. The text is that of the decision's payload, hence the rule is the join's (lambda_learner/join.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lambda_learner.archive.rows import DECISION_COLUMNS, NO_REWARDS, SCHEMA

__all__ = ["decision_mask", "merge", "payload_text"]

_Mask = npt.NDArray[np.bool_]
_Places = npt.NDArray[np.int64]
# The payload's order of members; of one decision_id the id is no difference, but it ends the item's text.
_BEFORE_ID: Final = ("candidates", "context", "count", "item")
_AFTER_ID: Final = ("model_version", "propensity", "runners_up", "sample")


class _Groups(NamedTuple):
    """Where each decision_id starts in the sorted rows, and the group of each row."""

    starts: _Places
    of_row: _Places


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables, one a decision_id and in its order. About 10 µs of CPU a row at worst.

    The rows are sound (check.py): ValueError for a rewards text that is no JSON object of numbers.
    """
    whole = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    if whole.num_rows == 0:
        return SCHEMA.empty_table()
    rows = whole.take(pc.sort_indices(whole["decision_id"])).combine_chunks()
    groups = _groups(rows["decision_id"])
    merged = rows.take(pa.array(_winners(rows, groups)))
    texts, sums = _rewards(rows["rewards"], groups)
    merged = merged.set_column(SCHEMA.get_field_index("rewards"), SCHEMA.field("rewards"), pa.array(texts, pa.string()))
    return merged.set_column(SCHEMA.get_field_index("reward"), SCHEMA.field("reward"), pa.array(sums)).combine_chunks()


def decision_mask(table: pa.Table) -> pa.ChunkedArray:
    """Which rows have a decision: item and context are there. The others are partial: rewards that wait for one."""
    return pc.and_(pc.is_valid(table["item"]), pc.is_valid(table["context"]))


def payload_text(row: dict[str, Any]) -> str:
    """The decision of a row as one canonical text, to be compared with others of its decision_id."""
    before = ",".join(_members(row, _BEFORE_ID))
    return ",".join([f'{{{before},"message_id":"","model":""', *_members(row, _AFTER_ID)]) + "}"


def _members(row: dict[str, Any], names: Iterable[str]) -> Iterable[str]:
    for name in names:
        value = row[name]
        if value is not None:
            yield f'"{name}":{_number_text(value) if isinstance(value, float) else value}'


def _number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _groups(ids: pa.ChunkedArray) -> _Groups:
    changes = pc.not_equal(ids[1:], ids[:-1]).to_numpy()
    new = np.concatenate([[True], changes])
    return _Groups(np.flatnonzero(new), np.cumsum(new) - 1)


def _winners(rows: pa.Table, groups: _Groups) -> _Places:
    """The row of each group that gives its decision; any of its rows where there is none."""
    says = _says_something(rows)
    places = np.arange(rows.num_rows)
    copies = np.add.reduceat(says.astype(np.int64), groups.starts)
    winners = np.maximum.reduceat(np.where(says, places, -1), groups.starts)
    winners = np.where(copies == 0, groups.starts, winners)
    disputed = says & (copies > 1)[groups.of_row]
    for group, place in _greatest_copies(rows, np.flatnonzero(disputed), groups.of_row).items():
        winners[group] = place
    return winners


def _says_something(rows: pa.Table) -> _Mask:
    says = np.zeros(rows.num_rows, bool)
    for name in DECISION_COLUMNS:
        if rows[name].null_count < rows.num_rows:
            says |= pc.is_valid(rows[name]).to_numpy()
    return says


def _greatest_copies(rows: pa.Table, places: _Places, group_of_row: _Places) -> dict[int, int]:
    """Of each group with several copies, the place of the greatest; whole decisions are greater than pieces."""
    best: dict[int, tuple[tuple[bool, str], int]] = {}
    copies = rows.select(DECISION_COLUMNS).take(pa.array(places)).to_pylist()
    for place, group, copy in zip(places.tolist(), group_of_row[places].tolist(), copies, strict=True):
        whole = copy["item"] is not None and copy["context"] is not None
        rank = (whole, payload_text(copy))
        if group not in best or rank > best[group][0]:
            best[group] = rank, place
    return {group: place for group, (_, place) in best.items()}


def _rewards(column: pa.ChunkedArray, groups: _Groups) -> tuple[list[str], npt.NDArray[np.float64]]:
    """The union of each group's rewards as text, and its sum."""
    given = pc.fill_null(pc.not_equal(column, NO_REWARDS), False)
    unions: dict[int, dict[str, float]] = {}
    where = groups.of_row[given.to_numpy()].tolist()
    for group, text in zip(where, column.filter(given).to_pylist(), strict=True):
        _unite(unions, group, text)
    texts, sums = [NO_REWARDS] * len(groups.starts), np.zeros(len(groups.starts))
    for group, union in unions.items():
        texts[group] = orjson.dumps(union, option=orjson.OPT_SORT_KEYS).decode()
        sums[group] = _sum(union)
    return texts, sums


def _unite(unions: dict[int, dict[str, float]], group: int, text: str) -> None:
    """Add the rewards of a text to its group's; -0.0 becomes 0.0, since which of the two is greater hangs on order."""
    rewards = {message_id: value + 0.0 for message_id, value in orjson.loads(text).items()}
    held = unions.setdefault(group, rewards)
    if held is not rewards:
        for message_id, value in rewards.items():
            held[message_id] = max(held.get(message_id, value), value)


def _sum(union: dict[str, float]) -> float:
    total = 0.0
    for message_id in sorted(union) if len(union) > 1 else union:
        total += union[message_id]  # left to right: the built-in sum compensates from Python 3.12 on
    return total
