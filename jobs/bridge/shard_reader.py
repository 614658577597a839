"""Reads one shard: its iterator, its position, and the pauses between two questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from jobs.bridge.errors import ExpiredIterator, KinesisAway, Throttled
from jobs.bridge.positions import Position
from jobs.bridge.shards import Shard, gone, too_old
from jobs.bridge.stream import MAX_RECORDS, Page, Record, Stream

__all__ = ["MAX_PAUSE_MS", "MIN_RECORDS", "PAUSE_MS", "ShardReader"]

MORE_MS: Final = 200  # a shard answers five questions a second, of all who ask
QUIET_MS: Final = 500  # when there is nothing more, others may ask too
PAUSE_MS: Final = 400  # after the first failure; each further pause is twice as long
MAX_PAUSE_MS: Final = 10_000
MIN_RECORDS: Final = 100
SAVE_MS: Final = 30_000  # of a shard without records, how far it has been read is written so often


@dataclass(slots=True)
class ShardReader:
    """One shard, read from a position; it has read to `position`, of which `saved` is in the topic of positions."""

    shard: Shard
    position: Position
    saved: Position | None
    due_ms: int = 0
    pause_ms: int = PAUSE_MS
    behind_ms: int | None = None
    problem: str | None = None
    iterator: str | None = None
    limit: int = MAX_RECORDS  # of one answer; fewer after one that did not come in time, where the way is slow

    def read(self, stream: Stream, now_ms: int, retention_ms: int) -> Sequence[Record]:
        """What follows; nothing while the service is away, and then `problem` says why. RecordsGone, BridgeError."""
        if what := too_old(self.shard.id, self.position, now_ms, retention_ms):
            raise gone(what)
        try:
            page = self._page(stream)
        except KinesisAway as error:
            self._failed(error, now_ms)
            return ()
        self._advance(page, now_ms)
        return page.records

    def is_due(self, now_ms: int) -> bool:
        """Whether its pause is over; a clock that was set back ends it too."""
        return not 0 < self.due_ms - now_ms <= MAX_PAUSE_MS

    def is_to_be_saved(self) -> bool:
        """Whether what is in the topic of positions is not what is to be known there."""
        if self.saved is None or replace(self.saved, read_until_ms=self.position.read_until_ms) != self.position:
            return True
        return (self.position.read_until_ms or 0) - (self.saved.read_until_ms or 0) >= SAVE_MS

    def _page(self, stream: Stream) -> Page:
        if self.iterator is not None:
            try:
                return stream.page(self.shard.id, self.iterator, self.limit)
            except ExpiredIterator:
                self.iterator = None
        self.iterator = stream.iterator(self.shard.id, self.position)
        return stream.page(self.shard.id, self.iterator, self.limit)

    def _advance(self, page: Page, now_ms: int) -> None:
        self.problem, self.pause_ms = None, PAUSE_MS
        self.limit = min(2 * self.limit, MAX_RECORDS)
        self.iterator, self.behind_ms = page.next_iterator, page.behind_ms
        until_ms = self._until_ms(page, now_ms)
        last = page.records[-1].number if page.records else self.position.after
        self.position = replace(self.position, after=last, read_until_ms=until_ms, finished=page.next_iterator is None)
        self.due_ms = now_ms + (MORE_MS if page.records or page.behind_ms else QUIET_MS)

    def _until_ms(self, page: Page, now_ms: int) -> int | None:
        """Before when all is copied; the end of a shard that was closed long ago says nothing of its children."""
        if page.next_iterator is not None:
            reached_ms = now_ms - page.behind_ms
        else:
            reached_ms = page.records[-1].time_ms if page.records else 0
        return max(reached_ms, self.position.read_until_ms or 0) or None

    def _failed(self, error: KinesisAway, now_ms: int) -> None:
        self.problem = str(error)
        if not isinstance(error, Throttled):
            self.limit = max(self.limit // 8, MIN_RECORDS)
        self.due_ms = now_ms + self.pause_ms
        self.pause_ms = min(2 * self.pause_ms, MAX_PAUSE_MS)
