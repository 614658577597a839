"""A model's archive as a training takes it: compacted, read newest first, parted in time; in bounded memory."""

from __future__ import annotations

from typing import Final

from jobs.retrain.display import Display
from jobs.retrain.errors import NoArchive
from jobs.retrain.order import Order
from jobs.retrain.time_slice import Slice, Wanted, split
from lambda_learner.archive.compaction import Compacted, CompactionSettings, compact
from lambda_learner.archive.partition import first_id, partitions
from lambda_learner.archive.reader import ArchiveReader, ReaderSettings
from lambda_learner.publish.store import Store

__all__ = ["ModelArchive"]

ROW_BYTES: Final = 4096  # that a row may take while it is read, parsed and merged
_SLICE_SHARE: Final = 8  # of the memory, its eighth, is for the slice that is held out


class ModelArchive:
    """The rows of one order; ids that are ahead of `now_ms` by more than the allowed skew are bad rows."""

    def __init__(self, store: Store, order: Order, *, now_ms: int) -> None:
        """Nothing is read yet."""
        self._store, self._order = store, order
        self._latest_id = first_id((now_ms + order.max_clock_skew_ms) // 1000 + 1)

    def compacted(self, show: Display) -> Compacted:
        """Compact it; NoArchive if there is nothing."""
        if not partitions(self._store, self._order.model):
            raise NoArchive(self._order.model)
        rows = self._rows_at_once(CompactionSettings().max_buffer_rows)
        settings = CompactionSettings(max_buffer_rows=rows, latest_id=self._latest_id)
        return compact(
            self._store,
            self._order.model,
            settings,
            progress=lambda done, total: show("compacting", done, total),
        )

    def reader(self) -> ArchiveReader:
        """All rows that a training takes."""
        settings = ReaderSettings(
            max_rows=self._order.training.max_decision_records,
            max_buffer_rows=self._rows_at_once(ReaderSettings().max_buffer_rows),
            latest_id=self._latest_id,
        )
        return ArchiveReader(self._store, self._order.model, settings)

    def parted(self, *, seen_through_ms: int | None = None) -> Slice | None:
        """The newest rows of those, that nothing has seen which has seen decisions so far, and the older ones."""
        rows = sum(file.rows for file in partitions(self._store, self._order.model))
        training = self._order.training
        total = min(rows, training.max_decision_records or rows)
        max_bytes = training.max_memory_bytes // _SLICE_SHARE
        return split(self.reader(), Wanted(self._order.held_out_share, total, seen_through_ms, max_bytes))

    def _rows_at_once(self, most: int) -> int:
        return max(1_000, min(most, self._order.training.max_memory_bytes // ROW_BYTES))
