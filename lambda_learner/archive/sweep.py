"""The order in which overlapping files are read and merged, newest first, in bounded memory. Pure: it reads nothing.

    pending   files to read, each with an id below which its rows are still wanted: at first the end of the second
              that its name calls its newest
    waiting   rows that were read and not given
    final     waiting rows that no pending file can say more about: those not below any pending file's bound

Where so many files overlap that the waiting rows exceed the buffer, the older ones are dropped, and their files are
pending again, below what was kept. After compaction hardly any files overlap.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lambda_learner.archive.chunks import cuts
from lambda_learner.archive.merge import merge
from lambda_learner.archive.partition import Partition, first_id

__all__ = ["Sweep"]

_END: Final = "~"  # after every id


class Sweep:
    """Takes files' rows in the order that it asks for them; gives each id's merged row once, the newest first."""

    def __init__(self, batch_rows: int, max_buffer_rows: int) -> None:
        """Merge after `batch_rows` new rows or more; one and a half buffers wait at most, and a file's rows."""
        self._batch_rows, self._max_buffer_rows = min(batch_rows, max(max_buffer_rows // 2, 1)), max_buffer_rows
        self._bound = _END  # rows from this id on were given
        self.start([])

    def start(self, files: Iterable[Partition]) -> None:
        """Begin, or go on below the last row given, with these files."""
        wanted = (file for file in files if first_id(file.min_s) < self._bound)
        self._pending = sorted((min(first_id(file.max_s + 1), self._bound), file.key) for file in wanted)
        self._asked = "", ""
        self._again: set[str] = set()  # files that are pending once more
        self._oldest: dict[str, str] = {}  # file → an id that none of its waiting rows is below
        self._waiting: list[pa.Table] = []
        self._rows_waiting = self._rows_left = 0

    def is_unfinished(self) -> bool:
        """Whether there is a file to read or a row to give."""
        return bool(self._pending or self._waiting)

    def is_due(self) -> bool:
        """Whether to settle before the next file; rows that were merged in vain wait for as many new ones."""
        amortised = self._rows_left * 2 + self._batch_rows
        limit = min(amortised, max(self._max_buffer_rows, self._rows_left + self._batch_rows))
        return not self._pending or self._rows_waiting >= limit

    def next_key(self) -> str:
        """The file whose rows to take next."""
        self._asked = self._pending.pop()
        return self._asked[1]

    def take(self, key: str, rows: pa.Table) -> int:
        """Take the rows of the file that was asked for; gives how many of them come too late to be merged."""
        below, asked = self._asked
        assert key == asked, key
        is_again = key in self._again
        kept = rows.filter(pc.less(rows["decision_id"], below if is_again else self._bound))
        if kept.num_rows:
            self._oldest[key] = pc.min(kept["decision_id"]).as_py()
            self._waiting.append(kept)
            self._rows_waiting += kept.num_rows
        return 0 if is_again or below == self._bound else rows.num_rows - kept.num_rows

    def settle(self) -> pa.Table:
        """Merge what waits; gives what is final, in order of decision_id, perhaps nothing."""
        merged = merge(self._waiting)
        if self._pending and merged.num_rows > self._max_buffer_rows:
            merged = self._narrowed(merged)
        frontier = self._pending[-1][0] if self._pending else ""
        (cut,) = cuts(merged, [frontier])
        self._waiting = [merged.slice(0, cut)] if cut else []
        self._rows_waiting = self._rows_left = cut
        self._bound = min(self._bound, frontier)
        self._oldest = {key: oldest for key, oldest in self._oldest.items() if oldest < frontier}
        return merged.slice(cut)

    def _narrowed(self, merged: pa.Table) -> pa.Table:
        """The newer rows, half a buffer; the files of the others are pending again."""
        kept = merged.slice(merged.num_rows - max(self._max_buffer_rows // 2, 1))
        below = kept["decision_id"][0].as_py()
        dropped = {key for key, oldest in self._oldest.items() if oldest < below}
        self._pending = [entry for entry in self._pending if entry[1] not in dropped]
        for key in dropped:
            insort(self._pending, (below, key))
            self._oldest[key] = below
        self._again |= dropped
        return kept
