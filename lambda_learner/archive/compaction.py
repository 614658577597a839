"""Compaction (the Gym's grooming): small and overlapping files of a model become few that do not overlap.

Outputs are written before inputs are deleted, and named by their content. So a crash leaves rows twice, which the
next run and every reader merge; two runs at once write the same file or overlapping ones, and delete only what they
have read and written elsewhere; and a reader that misses a file finds its rows in a newer listing (reader.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa

from lambda_learner.archive.check import check
from lambda_learner.archive.chunks import chunks, cuts
from lambda_learner.archive.errors import DamagedPartition
from lambda_learner.archive.forget import remove_again
from lambda_learner.archive.forget_record import ids_of, record_infos
from lambda_learner.archive.merge import merge
from lambda_learner.archive.parquet_file import from_parquet
from lambda_learner.archive.partition import Partition, first_id, partition_file, partitions
from lambda_learner.archive.plan import Round, is_settled, plan_round
from lambda_learner.archive.set_aside import set_aside_file, set_aside_rows
from lambda_learner.events import ksuid
from lambda_learner.publish.store import Store, etag_of

__all__ = ["Compacted", "CompactionSettings", "Progress", "compact"]

_FILES_A_MERGE: Final = 8  # full ones; fewer would sort the rows kept back more often
Progress: TypeAlias = Callable[[int, int], None]  # files done and files to do in this round


@dataclass(frozen=True, slots=True)
class CompactionSettings:
    """`max_file_rows` is the Gym's; memory is about `max_buffer_rows` and a file. Ids after `latest_id` are bad."""

    max_file_rows: int = 10_000
    max_buffer_rows: int = 200_000
    max_rounds: int = 100  # more than an archive of 8,000,000 rows in small files needs
    latest_id: str = ksuid.MAX


class Compacted(NamedTuple):
    """What was done; `is_complete` is False when rounds ran out, or others kept writing."""

    rounds: int = 0
    files_read: int = 0
    files_written: int = 0
    files_deleted: int = 0
    rows_written: int = 0
    bad_rows: int = 0
    damaged_files: int = 0
    is_complete: bool = True


def compact(
    store: Store, model: str, settings: CompactionSettings | None = None, *, progress: Progress | None = None
) -> Compacted:
    """Compact a model's archive until nothing is left to do. Idempotent; may be killed at any point.

    What was forgotten in the meantime, and may be written back from files that were read before, is removed again.
    """
    forgotten = record_infos(store, model)
    done = _compact(store, model, settings or CompactionSettings(), progress)
    remove_again(store, model, ids_of(store, record_infos(store, model) - forgotten))
    return done


def _compact(store: Store, model: str, settings: CompactionSettings, progress: Progress | None) -> Compacted:
    work = _Work(store, model, settings, progress)
    for _ in range(settings.max_rounds):
        files = partitions(store, model)
        plan = plan_round(files, max_file_rows=settings.max_file_rows, max_rows=settings.max_buffer_rows)
        if plan is None or not work.run(plan, frozenset(file.key for file in files)):
            return work.done
    return work.done._replace(is_complete=False)


class _Work:
    """Reads, merges and writes; what was read is deleted when all its rows are written."""

    def __init__(self, store: Store, model: str, settings: CompactionSettings, progress: Progress | None) -> None:
        self._store, self._model, self._settings, self._progress = store, model, settings, progress
        self.done = Compacted()

    def run(self, plan: Round, listed: frozenset[str]) -> bool:
        """Do a round; False if it changed nothing, because one second has more rows than a file should."""
        self._listed, self._files, self._files_done = listed, plan.files, 0
        self._read: set[str] = set()
        self._outputs: set[str] = set()
        before = self.done
        fresh = merge(self._load(plan.small))
        for cluster, rows in zip(plan.clusters or ((),), _spread(fresh, plan.clusters), strict=True):
            if rows.num_rows or not is_settled(cluster, max_file_rows=self._settings.max_file_rows):
                self._merge(cluster, rows)
            else:
                self._count_done(len(cluster))
        self._delete(plan.small)
        self._count(rounds=1)
        return _changes(self.done) > _changes(before)

    def _merge(self, cluster: Sequence[Partition], fresh: pa.Table) -> None:
        """Merge overlapping large files, oldest first, with the rows of small ones; then delete them."""
        waiting, due = [fresh], self._due(0)
        for place, file in enumerate(cluster):
            waiting += self._load([file])
            after = cluster[place + 1 :]
            if after and sum(table.num_rows for table in waiting) >= due:
                left = self._write_final(merge(waiting), first_id(after[0].min_s))
                waiting, due = [left], self._due(left.num_rows)
        self._write(merge(waiting))
        self._delete(cluster)

    def _due(self, rows_left: int) -> int:
        """How many rows to wait for before the next merge: it sorts all, so not at each file."""
        limit = self._settings.max_file_rows
        return min(rows_left * 2 + limit * _FILES_A_MERGE, max(self._settings.max_buffer_rows, rows_left + limit))

    def _write_final(self, merged: pa.Table, frontier: str) -> pa.Table:
        """Write the rows that no later file can add to; gives the others, and enough for a file of good size."""
        (cut,) = cuts(merged, [frontier])
        stop = max(cut - self._settings.max_file_rows, 0)
        if merged.num_rows - stop > self._settings.max_buffer_rows:
            stop = merged.num_rows  # too many overlap: the files written now are narrower, for the next round
        stop = _start_of_second(merged, stop)
        self._write(merged.slice(0, stop))
        return merged.slice(stop)

    def _write(self, rows: pa.Table) -> None:
        for chunk in chunks(rows, self._settings.max_file_rows):
            file = partition_file(self._model, chunk)
            if file.key in self._listed:
                found = self._store.get(file.key)
                if found is not None and found.data != file.data:  # damaged, or not ours: let it be
                    file = partition_file(self._model, chunk, inputs=(file.key, etag_of(found.data)))
            self._outputs.add(file.key)
            if file.key not in self._listed or self._store.get(file.key) is None:
                self._store.put(file.key, file.data)
                self._count(files_written=1, rows_written=chunk.num_rows)

    def _load(self, files: Sequence[Partition]) -> list[pa.Table]:
        """The sound rows of files, others set aside; not of those that are gone or unreadable."""
        tables = {file.key: rows for file in files if (rows := self._rows_of(file)) is not None}
        if len(tables) > 1 and self._are_sound(tables.values()):  # one check for thousands of small files
            return list(tables.values())
        return [self._sound(key, rows) for key, rows in tables.items()]

    def _rows_of(self, file: Partition) -> pa.Table | None:
        """A file's rows, unchecked; None if it is gone (another run has its rows) or unreadable."""
        self._count_done(1)
        found = self._store.get(file.key)
        if found is None:
            return None
        try:
            rows = from_parquet(found.data, file.key)
        except DamagedPartition as damage:
            set_aside_file(self._store, file.key, damage.reason)
            self._count(damaged_files=1)
            return None
        self._read.add(file.key)
        self._count(files_read=1)
        return rows

    def _are_sound(self, tables: Iterable[pa.Table]) -> bool:
        bad = check(pa.concat_tables(tables), latest_id=self._settings.latest_id).bad
        return len(bad) == 0

    def _sound(self, key: str, rows: pa.Table) -> pa.Table:
        checked = check(rows, latest_id=self._settings.latest_id)
        set_aside_rows(self._store, key, checked.bad)
        self._count(bad_rows=checked.bad.num_rows)
        return checked.sound

    def _delete(self, files: Sequence[Partition]) -> None:
        for file in files:
            if file.key in self._read and file.key not in self._outputs:
                self._store.delete(file.key)
                self._count(files_deleted=1)

    def _count(self, **more: int) -> None:
        self.done = self.done._replace(**{name: getattr(self.done, name) + number for name, number in more.items()})

    def _count_done(self, files: int) -> None:
        self._files_done += files
        if self._progress is not None:
            self._progress(self._files_done, self._files)


def _changes(done: Compacted) -> int:
    return done.files_written + done.files_deleted + done.damaged_files


def _spread(fresh: pa.Table, clusters: Sequence[Sequence[Partition]]) -> Iterator[pa.Table]:
    """The rows of each cluster: from its first second to that of the next; older ones are the first cluster's."""
    stops = [*cuts(fresh, [first_id(cluster[0].min_s) for cluster in clusters[1:]]), fresh.num_rows]
    start = 0
    for stop in stops:
        yield fresh.slice(start, stop - start)
        start = stop


def _start_of_second(rows: pa.Table, place: int) -> int:
    if not 0 < place < rows.num_rows:
        return place
    (start,) = cuts(rows, [first_id(ksuid.unix_seconds(rows["decision_id"][place].as_py()))])
    return start
