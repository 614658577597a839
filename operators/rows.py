"""Texts that travel between stages: one row a line. The JVM cuts them with SUBSTRING and SPLIT_INDEX, never JSON.

A row is fixed columns, then fields whose lengths are among them, then the rest:

    rowtime 13 digits | event time 13 | kind 1 | id 27 | model's length 2 | note's length 2 | model | note | rest

kind is D (decision), R (reward), T (training record) or H (moves the watermark only). A decision and its rewards share
the key kind D + decision_id. `note` is what the join rule needs of each copy; the rest is payload FIELD entity, or
nothing. The separators are control characters, which JSON text never holds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import orjson

from lambda_learner.events.schema import Decision, Record, Reward
from lambda_learner.join import DecisionCopy, JoinedRow, RewardCopy, checksum

NOTE, ROW, FIELD = "\x1d", "\x1e", "\x1f"
KEY_LENGTH = 28
NO_ID = "0" * 27


def decision_row(decision: Decision, *, close_ms: int, entity: str) -> str:
    """The row of a decision; `entity` is empty when it has none."""
    return _copy_row("D", decision.message_id, decision, close_ms=close_ms, entity=entity)


def record_row(record: Record, *, close_ms: int, entity: str) -> str:
    """The row of a training record."""
    return _copy_row("T", record.message_id, record, close_ms=close_ms, entity=entity)


def _copy_row(kind: str, key: str, event: Decision | Record, *, close_ms: int, entity: str) -> str:
    at = f"{event.event_ms:013d}"
    note = f"{kind}{at}{checksum(event.payload):08x}"
    rest = f"{event.payload}{FIELD}{entity}"
    return _row(close_ms - 1, at, f"{kind}{key}", event.model, note, rest)


def reward_row(reward: Reward, *, close_ms: int) -> str:
    """The row of a reward: it carries no payload, and the entity comes from its decision."""
    at = f"{reward.event_ms:013d}"
    note = f"R{at}{reward.message_id}{reward.value!r}"
    return _row(close_ms - 1, at, f"D{reward.decision_id}", reward.model, note)


def clock_row(event_ms: int) -> str:
    """A row that moves the watermark and enters no window."""
    return _row(event_ms, f"{event_ms:013d}", f"H{NO_ID}", "", "")


def _row(  # noqa: PLR0913, PLR0917 - the columns of a row, in their order
    rowtime_ms: int, at: str, key: str, model: str, note: str, rest: str = ""
) -> str:
    return f"{_digits(rowtime_ms)}{at}{key}{_lengths(len(model), len(note))}{model}{note}{rest}"


@lru_cache(maxsize=4096)  # closes are whole seconds, and the rows of a time share a few
def _digits(time_ms: int) -> str:
    return f"{time_ms:013d}"


@lru_cache(maxsize=4096)  # lengths have two digits
def _lengths(model: int, note: int) -> str:
    return f"{model:02d}{note:02d}"


class WindowRow(NamedTuple):
    """One key of one window as the join left it: kind D or T, and all copies."""

    kind: str
    joined: JoinedRow


def window_row(model: str, text: str) -> WindowRow:
    """Read back what the join stage concatenated: key, payload, FIELD, notes between NOTE separators."""
    payload, _, notes = text[KEY_LENGTH:].partition(FIELD)
    copies, rewards = [], []
    for note in notes.split(NOTE):
        if note[0] == "R":
            rewards.append(RewardCopy(note[14:41], int(note[1:14]), float(note[41:])))
        else:
            copies.append(DecisionCopy(int(note[1:14]), int(note[14:22], 16)))
    row = JoinedRow(model, text[1:KEY_LENGTH], payload or None, tuple(copies), tuple(rewards))
    return WindowRow(text[0], row)


def late_line(text: str) -> str:
    """A row's text as a JSON line for people: kind, model, id, close, note, payload."""
    model_end = 58 + int(text[54:56])
    note_end = model_end + int(text[56:58])
    payload = text[note_end:].partition(FIELD)[0]
    row = {"kind": text[model_end], "model": text[58:model_end], "id": text[27:54], "close_ms": int(text[:13]) + 1}
    row |= {"note": text[model_end:note_end], "payload": orjson.loads(payload) if payload else None}
    return orjson.dumps(row).decode()
