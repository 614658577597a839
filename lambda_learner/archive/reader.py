"""Reading for training: a model's rows, newest first, merged, in bounded memory, while others write and compact.

A file that is gone was compacted: its rows are in files that were written before it was deleted. So the model is
listed again and the sweep goes on below the last row given: each id is given once, whatever happens meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from lambda_learner.archive.errors import ArchiveChanging, DamagedPartition
from lambda_learner.archive.load import load
from lambda_learner.archive.merge import decision_mask
from lambda_learner.archive.partition import all_partitions
from lambda_learner.archive.sweep import Sweep
from lambda_learner.events import ksuid
from lambda_learner.publish.store import Store

__all__ = ["ArchiveReader", "ReaderSettings"]

_MAX_LISTINGS: Final = 100  # in a row without a row given: something deletes without end


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """What to read: `max_rows` None is all. Memory: about `max_buffer_rows` and the largest file.

    Ids after `latest_id` are bad rows. With `partial_rows`, rewards without their decision are given too.
    """

    max_rows: int | None = None
    batch_rows: int = 10_000
    max_buffer_rows: int = 500_000
    partial_rows: bool = False
    latest_id: str = ksuid.MAX


class ArchiveReader:
    """Iterates over a model's merged rows as tables: the newest table first, each in order of decision_id."""

    def __init__(self, store: Store, model: str, settings: ReaderSettings | None = None) -> None:
        """Name the model; nothing is read yet."""
        self._store, self._model = store, model
        self._settings = settings or ReaderSettings()
        self._reset()

    def __iter__(self) -> Iterator[pa.Table]:
        """Read from the newest row on; ArchiveChanging if files vanish without end."""
        self._reset()
        wanted = self._settings.max_rows
        for final in self._final_rows():
            rows = self._chosen(final)
            if wanted is not None:
                rows = rows.slice(max(rows.num_rows - wanted, 0))
                wanted -= rows.num_rows
            yield from self._batches(rows)
            if wanted == 0:
                return

    @property
    def skipped(self) -> Counter[str]:
        """What the last iteration has not given so far.

        damaged_files, bad_rows, partial_rows (unless asked for), and misplaced_rows: newer than the name of their
        file says, found too late to be merged.
        """
        counts = Counter({"partial_rows": self._partial_rows})
        for (_, kind), number in self._of_file.items():
            counts[kind] += number
        return +counts

    def _reset(self) -> None:
        self._sweep = Sweep(self._settings.batch_rows, self._settings.max_buffer_rows)
        self._partial_rows = 0
        self._of_file: dict[tuple[str, str], int] = {}  # a file read again is not counted again

    def _final_rows(self) -> Iterator[pa.Table]:
        sweep, listings = self._sweep, self._list(0)
        while sweep.is_unfinished():
            if not sweep.is_due():
                key = sweep.next_key()
                if not self._take(key):
                    listings = self._list(listings)
                continue
            final = sweep.settle()
            if final.num_rows:
                listings = 0
                yield final

    def _list(self, listings: int) -> int:
        if listings >= _MAX_LISTINGS:
            raise ArchiveChanging(self._model, listings)
        self._sweep.start(all_partitions(self._store, self._model))
        return listings + 1

    def _take(self, key: str) -> bool:
        """Hand a file's rows to the sweep; False if it is gone."""
        try:
            checked = load(self._store, key, latest_id=self._settings.latest_id)
        except DamagedPartition:
            self._of_file[key, "damaged_files"] = 1
            return True
        if checked is None:
            return False
        self._of_file[key, "bad_rows"] = checked.bad.num_rows
        misplaced = self._sweep.take(key, checked.sound)
        self._of_file[key, "misplaced_rows"] = max(misplaced, self._of_file.get((key, "misplaced_rows"), 0))
        return True

    def _chosen(self, rows: pa.Table) -> pa.Table:
        if self._settings.partial_rows:
            return rows
        decisions = rows.filter(decision_mask(rows))
        self._partial_rows += rows.num_rows - decisions.num_rows
        return decisions

    def _batches(self, rows: pa.Table) -> Iterator[pa.Table]:
        for stop in range(rows.num_rows, 0, -self._settings.batch_rows):
            start = max(stop - self._settings.batch_rows, 0)
            yield rows.slice(start, stop - start)
