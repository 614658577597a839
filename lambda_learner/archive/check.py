"""What a row must be: the rows of a file, parted into sound ones and bad ones with their reasons.

Nothing that the Gym or the job writes is bad; this is for files that others wrote or damaged. A whole file is never
given up for a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from lambda_learner.archive.rows import DECISION_COLUMNS, EXTRAS
from lambda_learner.events import ksuid

__all__ = ["REASON", "Checked", "check"]

REASON: Final = "reason"  # the column of the bad rows that says what is wrong
_TEXTS: Final = ("item", "context", "sample", *EXTRAS)
_ID: Final = f"^[0-9A-Za-z]{{{ksuid.LENGTH}}}$"

_Mask = npt.NDArray[np.bool_]


class Checked(NamedTuple):
    """The rows that can be used, and the others with a column `reason`."""

    sound: pa.Table
    bad: pa.Table


def check(table: pa.Table, *, latest_id: str = ksuid.MAX) -> Checked:
    """Part a file's rows; ids after `latest_id` are bad, as a clock that is ahead makes them."""
    reasons = np.full(table.num_rows, "", dtype=object)
    _mark(reasons, _bad_ids(table["decision_id"], latest_id), f"decision_id must be a KSUID not after {latest_id}")
    _mark(reasons, _halves(table), "item, context and count ≥ 1 must be there together, or no part of a decision")
    for name in _TEXTS:
        _mark(reasons, _unreadable(table[name], orjson.loads), f"{name} must be JSON")
    _mark(reasons, _unreadable(table["rewards"], _numbers), "rewards must be a JSON object of numbers")
    is_bad = reasons != ""
    if not is_bad.any():
        return Checked(table, table.slice(0, 0).append_column(REASON, pa.array([], pa.string())))
    bad = table.filter(pa.array(is_bad)).append_column(REASON, pa.array(reasons[is_bad], pa.string()))
    return Checked(table.filter(pa.array(~is_bad)), bad)


def _mark(reasons: npt.NDArray[np.object_], where: _Mask, reason: str) -> None:
    if where.any():
        reasons[where & (reasons == "")] = reason


def _bad_ids(ids: pa.ChunkedArray, latest_id: str) -> _Mask:
    good = pc.and_(pc.match_substring_regex(ids, _ID), pc.less_equal(ids, min(latest_id, ksuid.MAX)))
    return ~_filled(good)


def _halves(table: pa.Table) -> _Mask:
    """Rows that are neither a whole decision nor without any part of one."""
    count = np.asarray(table["count"])  # null is NaN, and fails each of these
    counted = (count >= 1) & (count < np.inf) & (np.floor(count) == count)
    whole = _there(table, "item") & _there(table, "context") & counted
    parts = np.zeros(table.num_rows, bool)
    for name in DECISION_COLUMNS:
        parts |= _there(table, name)
    halves: _Mask = parts & ~whole
    return halves


def _unreadable(column: pa.ChunkedArray, read: Callable[[str], Any]) -> _Mask:
    if column.null_count == len(column):
        return np.zeros(len(column), bool)
    texts = column.to_pylist()
    if _all_read(texts, read):
        return np.zeros(len(column), bool)
    return np.fromiter((not _all_read([text], read) for text in texts), bool, len(texts))


def _all_read(texts: list[str | None], read: Callable[[str], Any]) -> bool:
    try:
        for text in texts:
            if text is not None:
                read(text)
    except ValueError:
        return False
    return True


def _numbers(text: str) -> None:
    rewards = orjson.loads(text)
    if type(rewards) is not dict:
        raise ValueError(text)
    for value in rewards.values():
        if not isinstance(value, (int, float)):
            raise ValueError(text)


def _there(table: pa.Table, name: str) -> _Mask:
    column = table[name]
    if column.null_count in (0, len(column)):  # as most are: a call less for each of thousands of small files
        return np.full(len(column), column.null_count == 0)
    return _filled(pc.is_valid(column))


def _filled(mask: pa.ChunkedArray) -> _Mask:
    """A mask in which what cannot be told is not so."""
    filled: _Mask = pc.fill_null(mask, False).to_numpy()
    return filled
