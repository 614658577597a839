"""Texts that travel between stages: one row a line, which the JVM cuts once, with SPLIT, and never reads as JSON.

A row is fields between FIELD separators:

    rowtime in ms | event time in ms | kind and id | model | note | content

kind is D (decision), R (reward), T (training record), F (has its entity forgotten) or H (moves the watermark only; no
more fields follow). A decision and its rewards share the key D + decision_id. `note` is what the join rule needs of
each copy. `content`, which a reward lacks, is payload GROUP group: the group is the entity or, for rows that would all
be of one group, entity CHUNK chunk. In place of its payload a decision has its core, without the last brace, CHUNK the
payload's checksum: that sorts as payloads do and is shorter, often by half, as nothing after parse reads what comes
behind the item. Where a base is active, GROUP offset CHUNK version follow: they are functions of payload and window, so
copies with one payload have one content. The separators are control characters, which JSON text never holds, and sort
before all that it does.
"""

from __future__ import annotations

from functools import lru_cache

import orjson

from lambda_learner.events.schema import Decision, Forget, Record, Reward
from lambda_learner.join import DecisionCopy, JoinedRow, RewardCopy, checksum
from lambda_learner.learn.window_row import WindowRow

CHUNK, GROUP, NOTE, ROW, FIELD = "\x1b", "\x1c", "\x1d", "\x1e", "\x1f"
KEY_LENGTH = 28
TIME_LENGTH = 13
KIND_AT = 2 * TIME_LENGTH + 2
ONE_ENTITY = "[]"  # the entity of a model without entity paths


def decision_row(decision: Decision, *, close_ms: int, entity: str) -> str:
    """The row of a decision; `entity` is empty when it has none."""
    return _copy_row("D", decision, close_ms=close_ms, entity=entity)


def record_row(record: Record, *, close_ms: int, entity: str) -> str:
    """The row of a training record."""
    return _copy_row("T", record, close_ms=close_ms, entity=entity)


def forget_row(forget: Forget, *, close_ms: int) -> str:
    """The row that has an entity forgotten."""
    return _copy_row("F", forget, close_ms=close_ms, entity=forget.entity)


def _copy_row(kind: str, event: Decision | Record | Forget, *, close_ms: int, entity: str) -> str:
    at, mark = _digits(event.event_ms), f"{checksum(event.payload):08x}"
    text = f"{event.core[:-1]}{CHUNK}{mark}" if isinstance(event, Decision) else event.payload
    group = entity if entity and entity != ONE_ENTITY else f"{entity}{CHUNK}{event.message_id[-1]}"
    key = f"{kind}{event.message_id}"
    return FIELD.join((_digits(close_ms - 1), at, key, event.model, f"{kind}{at}{mark}", f"{text}{GROUP}{group}"))


def reward_row(reward: Reward, *, close_ms: int) -> str:
    """The row of a reward: it carries no payload, and the group comes from its decision."""
    at = _digits(reward.event_ms)
    note = f"R{at}{reward.message_id}{reward.value!r}"
    return FIELD.join((_digits(close_ms - 1), at, f"D{reward.decision_id}", reward.model, note))


def clock_row(event_ms: int) -> str:
    """A row that moves the watermark and enters no window."""
    at = _digits(event_ms)
    return FIELD.join((at, at, "H"))


def row_again(row: str, after_ms: int) -> str | None:
    """A row that was given before, so that it enters its window and moves no watermark; None if it need not."""
    if row[KIND_AT] == "H" or close_ms_of(row) <= after_ms:
        return None
    return f"{row[: TIME_LENGTH + 1]}{_digits(0)}{row[KIND_AT - 1 :]}"


@lru_cache(maxsize=4096)  # times are whole seconds, and rows of one time are neighbours
def _digits(time_ms: int) -> str:
    return f"{time_ms:0{TIME_LENGTH}d}"


def with_base(row: str, offset: float, version: str) -> str:
    """The row of a decision or record with its offset, and the version of the base active at its window's end."""
    return f"{row}{GROUP}{offset!r}{CHUNK}{version}"


def close_ms_of(row: str) -> int:
    """When the window of a row ends."""
    return int(row[:TIME_LENGTH]) + 1


def window_row(model: str, text: str) -> WindowRow:
    """One key of one window: its kind, D, T or F, all copies, and what the base says of it.

    Reads back what the batch stage concatenated: key, content, FIELD, notes between NOTE separators.
    """
    content, _, notes = text[KEY_LENGTH:].partition(FIELD)
    payload, winner, group = _parts(content)
    copies, rewards = [], []
    for note in notes.split(NOTE):
        if note[0] == "R":
            rewards.append(RewardCopy(note[14:41], int(note[1:14]), float(note[41:])))
        else:
            copies.append(DecisionCopy(int(note[1:14]), int(note[14:22], 16)))
    row = JoinedRow(model, text[1:KEY_LENGTH], payload or None, tuple(copies), tuple(rewards), winner)
    _, _, base = group.partition(GROUP)
    if not base:
        return WindowRow(text[0], row)
    offset, _, version = base.partition(CHUNK)
    return WindowRow(text[0], row, float(offset), version)


def _parts(content: str) -> tuple[str, int | None, str]:
    """A payload, or the core of one and the checksum of the whole; and the group with all behind it."""
    text, _, group = content.partition(GROUP)
    payload, _, mark = text.partition(CHUNK)  # state of an earlier version has all of a decision
    return (f"{payload}}}", int(mark, 16), group) if mark else (payload, None, group)


def late_line(second: int, key: str, model: str, note: str, content: str | None) -> str:
    """A row whose window ended with a second, as a JSON line for people; of a decision, its core is the payload."""
    row = {"kind": note[0], "model": model, "id": key[1:], "close_ms": (second + 1) * 1000, "note": note}
    row["payload"] = orjson.loads(_parts(content)[0]) if content else None
    return orjson.dumps(row).decode()
