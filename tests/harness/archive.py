"""Rows, files and a store in memory for the archive's tests, and a merge that shares no code with ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa

from lambda_learner.archive.merge import merge
from lambda_learner.archive.partition import partition_file
from lambda_learner.archive.rows import ArchiveRow, decision_row, reward_row, table_of
from lambda_learner.events import Decision, Reward, decode, ksuid
from lambda_learner.publish.errors import PreconditionFailed
from lambda_learner.publish.store import Object, ObjectInfo, etag_of

START_S = 1_700_000_000  # 2023-11-14T22:13:20Z
MODEL = "movies"


class Crash(Exception):
    """The process dies here."""


class MemoryStore:
    """A store in memory that can die at one of its changes, and lets others act while it is read."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.changes = 0
        self.crash_at: int | None = None
        self.before_get: Callable[[str], None] = lambda key: None
        self.while_listing: Callable[[str], None] = lambda key: None
        self.reads: list[str] = []

    def get(self, key: str) -> Object | None:
        self.before_get(key)
        self.reads.append(key)
        data = self.objects.get(key)
        return None if data is None else Object(data, etag_of(data))

    def put(self, key: str, data: bytes) -> None:
        self._change()
        self.objects[key] = data

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        held = self.objects.get(key)
        if (None if held is None else etag_of(held)) != etag:
            raise PreconditionFailed(key)
        self.put(key, data)
        return etag_of(data)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Walk from key to key as a real store does: what changes behind the walk is not seen."""
        last = ""
        while following := [key for key in self.objects if key.startswith(prefix) and key > last]:
            last = min(following)
            yield ObjectInfo(last, len(self.objects[last]), 0, "")
            self.while_listing(last)

    def delete(self, key: str) -> None:
        if key in self.objects:
            self._change()
            del self.objects[key]

    def _change(self) -> None:
        self.changes += 1
        if self.crash_at is not None and self.changes > self.crash_at:
            raise Crash


def an_id(second: int, number: int = 0) -> str:
    """The id of a second after START_S; `number` tells ids of one second apart, in their order."""
    return ksuid.encode(START_S + second, number.to_bytes(16, "big"))


def a_decision(decision_id: str, **fields: Any) -> ArchiveRow:
    """The row of a decision line with these fields; `...` leaves one out."""
    return decision_row(an_event(decision_id, **fields))


def an_event(decision_id: str, **fields: Any) -> Decision:
    """The decision of a line with these fields; `...` leaves one out."""
    whole = {"message_id": decision_id, "model": MODEL, "item": {"id": 1}, "count": 3, "sample": {"id": 2}, **fields}
    line = {name: value for name, value in whole.items() if value is not ...}
    event = decode(orjson.dumps(line), arrival_ms=(START_S + 10**8) * 1000)
    assert isinstance(event, Decision)
    return event


def a_reward(decision_id: str, message_id: str, value: float = 1.0) -> ArchiveRow:
    """The partial row of a reward line."""
    line = {"message_id": message_id, "model": MODEL, "decision_id": decision_id, "reward": value}
    event = decode(orjson.dumps(line), arrival_ms=(START_S + 10**8) * 1000)
    assert isinstance(event, Reward)
    return reward_row(event)


def rows_of(tables: pa.Table | Iterable[pa.Table]) -> list[ArchiveRow]:
    """The rows of a table, or of tables one after the other."""
    given = [tables] if isinstance(tables, pa.Table) else tables
    return [ArchiveRow(**row) for table in given for row in table.to_pylist()]


def put_rows(store: MemoryStore, rows: Iterable[ArchiveRow], model: str = MODEL) -> str:
    """Write rows as one file of a model; gives its key."""
    file = partition_file(model, merge([table_of(rows)]))
    store.objects[file.key] = file.data
    return file.key


def merged_plainly(rows: Iterable[ArchiveRow]) -> list[ArchiveRow]:
    """What merge must give: one row an id, found without sorting, arrays or texts put together."""
    decisions: dict[str, ArchiveRow] = {}
    rewards: dict[str, dict[str, float]] = {}
    for row in rows:
        held = rewards.setdefault(row.decision_id, {})
        for message_id, value in orjson.loads(row.rewards).items():
            held[message_id] = max(value, held.get(message_id, value))
        if row.item is not None:
            rival = decisions.get(row.decision_id, row)
            decisions[row.decision_id] = max(rival, row, key=_payload)
    return [_row(decision_id, decisions.get(decision_id), rewards[decision_id]) for decision_id in sorted(rewards)]


def _row(decision_id: str, decision: ArchiveRow | None, rewards: dict[str, float]) -> ArchiveRow:
    total = 0.0
    for message_id in sorted(rewards):
        total += rewards[message_id]
    text = orjson.dumps(rewards, option=orjson.OPT_SORT_KEYS).decode()
    return (decision or ArchiveRow(decision_id))._replace(rewards=text, reward=total)


def _payload(row: ArchiveRow) -> str:
    """The payload of the decision as the wire format writes it: the text by which the join chooses."""
    fields = {
        name: orjson.loads(text)
        for name, text in row._asdict().items()
        if name not in {"decision_id", "count", "rewards", "reward"} and text is not None
    }
    whole = {**fields, "message_id": row.decision_id, "model": MODEL, "count": int(row.count or 0)}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()
