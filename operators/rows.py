"""Texts that travel between stages: one row a line. The JVM cuts them with SUBSTRING and SPLIT_INDEX, never JSON.

A row is fixed columns, then fields between FIELD separators (control characters, which JSON text never holds):

    rowtime 13 digits | event time 13 digits | kind 1 | id 27 | model F payload F entity F note

kind is D (decision), R (reward), T (training record) or H (moves the watermark only). A decision and its rewards share
the key kind D + decision_id; `note` is what the join rule needs of each copy.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from lambda_learner.events.schema import Decision, Record, Reward
from lambda_learner.join import DecisionCopy, JoinedRow, RewardCopy

NOTE, ROW, FIELD = "\x1d", "\x1e", "\x1f"
KEY_START, KEY_LENGTH = 26, 28
TIME_DIGITS = 13
NO_ID = "0" * 27


def decision_row(decision: Decision, *, close_ms: int, entity: str) -> str:
    """The row of a decision; `entity` is empty when it has none."""
    return _copy_row("D", decision.message_id, decision, close_ms=close_ms, entity=entity)


def record_row(record: Record, *, close_ms: int, entity: str) -> str:
    """The row of a training record."""
    return _copy_row("T", record.message_id, record, close_ms=close_ms, entity=entity)


def _copy_row(kind: str, key: str, event: Decision | Record, *, close_ms: int, entity: str) -> str:
    checksum = zlib.crc32(event.payload.encode())
    at = f"{event.event_ms:013d}"
    return f"{close_ms - 1:013d}{at}{kind}{key}{event.model}{FIELD}{event.payload}{FIELD}{entity}{FIELD}{kind}{at}{checksum:08x}"


def reward_row(reward: Reward, *, close_ms: int) -> str:
    """The row of a reward: it carries no payload, and the entity comes from its decision."""
    at = f"{reward.event_ms:013d}"
    note = f"R{at}{reward.message_id}{reward.value!r}"
    return f"{close_ms - 1:013d}{at}D{reward.decision_id}{reward.model}{FIELD}{FIELD}{FIELD}{note}"


def clock_row(event_ms: int) -> str:
    """A row that moves the watermark and enters no window."""
    at = f"{event_ms:013d}"
    return f"{at}{at}H{NO_ID}{FIELD}{FIELD}{FIELD}"


class WindowRow(NamedTuple):
    """One key of one window as the join left it: kind D or T, and all copies."""

    kind: str
    joined: JoinedRow


def window_row(model: str, text: str) -> WindowRow:
    """Read back what the join stage concatenated: key, payload, FIELD, notes between NOTE separators."""
    payload, _, notes = text[KEY_LENGTH:].partition(FIELD)
    copies, rewards = [], []
    for note in notes.split(NOTE):
        event_ms = int(note[1 : 1 + TIME_DIGITS])
        if note[0] == "R":
            rewards.append(RewardCopy(note[14:41], event_ms, float(note[41:])))
        else:
            copies.append(DecisionCopy(event_ms, int(note[14:22], 16)))
    row = JoinedRow(model, text[1:KEY_LENGTH], payload or None, tuple(copies), tuple(rewards))
    return WindowRow(text[0], row)
