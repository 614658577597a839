"""Forget an entity: its decisions and their rewards leave a model's archive, with a record of it.

Two steps a pass, repeated until a pass finds nothing: all files are searched for the entity's decisions, whose ids go
into the record; then each file with one of those ids, partial rows too, is written anew without them, and deleted.
A run that was killed is run again: the record has the ids. Compaction at the same time may write a row back from a
file that it has read before; the next pass finds it, or, if compaction ends later, that does (`remove_again`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lambda_learner.archive.check import Checked
from lambda_learner.archive.errors import ArchiveChanging, DamagedPartition
from lambda_learner.archive.forget_record import ForgetRecord, read_record, sha256, update_record
from lambda_learner.archive.load import load
from lambda_learner.archive.merge import merge
from lambda_learner.archive.parquet_file import from_parquet, to_parquet
from lambda_learner.archive.partition import all_partitions, partition_file, prefix_of
from lambda_learner.archive.set_aside import BAD_ROWS, UNRECOVERABLE, set_aside_rows
from lambda_learner.events import ksuid
from lambda_learner.features.entity import entity_of
from lambda_learner.publish.store import Store

__all__ = ["forget", "remove_again"]

_MAX_PASSES: Final = 20  # two do, unless somebody writes the entity's rows meanwhile


class _File(NamedTuple):
    """A file of the archive, or one of bad rows that were set aside."""

    key: str
    rows: pa.Table
    is_partition: bool


def forget(store: Store, model: str, entity: str, entity_paths: Sequence[str], *, now_ms: int) -> ForgetRecord:
    """Remove all rows of an entity (`["u1"]`: features.entity_of) from a model's archive; gives the record.

    Idempotent: when there is nothing left, the record stays as it is. ValueError without entity paths, for then the
    whole model is one entity; ArchiveChanging if the rows keep coming back.
    """
    if not entity_paths:
        message = "entity_paths must name where the entity's values are, got none: all rows would go"
        raise ValueError(message)
    found = read_record(store, model, entity)
    record = found or ForgetRecord(model, sha256(entity), tuple(entity_paths), "started", now_ms)
    work = _Work(store, model, entity, tuple(entity_paths))
    for _ in range(_MAX_PASSES):
        work.has_missed_files = False
        ids = {*record.decision_ids, *work.search()}
        if found is None or ids != {*record.decision_ids}:
            record = found = update_record(store, entity, replace(record, state="started", decision_ids=tuple(ids)))
        before = record
        record = work.remove(record)
        if record == before and not work.has_missed_files:
            return _finished(store, entity, record, work.unexamined, now_ms=now_ms)
    raise ArchiveChanging(model, _MAX_PASSES)


def remove_again(store: Store, model: str, ids: Collection[str]) -> None:
    """Remove the rows of decisions that were forgotten, once more. Idempotent."""
    if ids:
        _Work(store, model, "", ()).remove_ids(ids)


def _finished(store: Store, entity: str, record: ForgetRecord, unexamined: set[str], *, now_ms: int) -> ForgetRecord:
    done = replace(record, state="done", unexamined=tuple(sorted(unexamined)))
    stored = read_record(store, record.model, entity)
    if stored is not None and stored == replace(done, finished_ms=stored.finished_ms):
        return stored
    return update_record(store, entity, replace(done, finished_ms=now_ms))


class _Work:
    """Searches and rewrites the files of one model for one entity."""

    def __init__(self, store: Store, model: str, entity: str, paths: tuple[str, ...]) -> None:
        self._store, self._model, self._entity, self._paths = store, model, entity, paths
        self.unexamined: set[str] = set()
        self.has_missed_files = False  # gone between listing and reading: their rows are elsewhere now

    def search(self) -> Iterator[str]:
        """The ids of the entity's decisions in all files."""
        for file in self._files():
            found = file.rows["decision_id"].filter(self._entity_mask(file))
            yield from found.drop_null().to_pylist()

    def remove(self, record: ForgetRecord) -> ForgetRecord:
        """Rewrite the files that have a row of these decisions; the record counts what was done."""
        ids = pa.array(record.decision_ids, pa.string())
        for file in self._files():
            is_theirs = pc.or_(pc.is_in(file.rows["decision_id"], value_set=ids), self._entity_mask(file))
            removed = pc.sum(is_theirs).as_py() or 0
            if removed:
                written = self._rewrite(file, pc.invert(is_theirs))
                record = replace(
                    record,
                    rows_removed=record.rows_removed + removed,
                    files_rewritten=record.files_rewritten + written,
                    files_deleted=record.files_deleted + (not written),
                )
        return record

    def remove_ids(self, ids: Collection[str]) -> None:
        """Rewrite the files that have a row of these decisions."""
        wanted = pa.array(sorted(ids), pa.string())
        for file in self._files():
            is_theirs = pc.is_in(file.rows["decision_id"], value_set=wanted)
            if pc.any(is_theirs).as_py():
                self._rewrite(file, pc.invert(is_theirs))

    def _files(self) -> Iterator[_File]:
        self.unexamined.clear()
        for partition in all_partitions(self._store, self._model):
            try:
                checked = load(self._store, partition.key, latest_id=ksuid.MAX)
            except DamagedPartition:
                self.unexamined.add(partition.key)
                continue
            if checked is None:
                self.has_missed_files = True
            else:
                yield self._without_bad_rows(partition.key, checked)
        yield from self._files_of_bad_rows()

    def _without_bad_rows(self, key: str, checked: Checked) -> _File:
        """The file; its bad rows may be theirs too, and are looked at among those set aside."""
        if checked.bad.num_rows:
            set_aside_rows(self._store, key, checked.bad)
            key = self._replace(key, checked.sound)
        return _File(key, checked.sound, is_partition=True)

    def _files_of_bad_rows(self) -> Iterator[_File]:
        for key in [info.key for info in self._store.list(UNRECOVERABLE + prefix_of(self._model))]:
            found = self._store.get(key)
            if found is None or key.endswith(".txt"):
                continue
            if key.endswith(BAD_ROWS):
                yield _File(key, from_parquet(found.data, key), is_partition=False)
            else:
                self.unexamined.add(key)

    def _rewrite(self, file: _File, keep: pa.ChunkedArray) -> bool:
        """Write what stays of a file, then delete the file; False if nothing stays."""
        if not file.is_partition:
            return self._rewrite_bad_rows(file.key, keep)
        return self._replace(file.key, file.rows.filter(keep)) != ""

    def _replace(self, key: str, rows: pa.Table) -> str:
        """Write rows instead of a file; gives their key, empty for no rows."""
        new = ""
        if rows.num_rows:
            file = partition_file(self._model, merge([rows]))
            new = file.key
            self._store.put(new, file.data)
        if key != new:
            self._store.delete(key)
        return new

    def _rewrite_bad_rows(self, key: str, keep: pa.ChunkedArray) -> bool:
        found = self._store.get(key)
        if found is not None and pc.any(keep).as_py():
            self._store.put(key, to_parquet(pq.read_table(pa.BufferReader(found.data)).filter(keep)))
            return True
        self._store.delete(key)
        return False

    def _entity_mask(self, file: _File) -> pa.BooleanArray:
        """Which rows are the entity's decisions."""
        texts = zip(file.rows["item"].to_pylist(), file.rows["context"].to_pylist(), strict=True)
        return pa.array([self._is_entity(item, context) for item, context in texts], pa.bool_())

    def _is_entity(self, item: str | None, context: str | None) -> bool:
        try:
            return entity_of(_value(item), _value(context), self._paths) == self._entity
        except orjson.JSONDecodeError:
            return False  # a bad row whose text no one can read


def _value(text: str | None) -> object:
    return None if text is None else orjson.loads(text)
