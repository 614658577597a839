"""The one writer of a shard: publishes windows in order, merges files, deletes what nobody reads any more.

A publish writes the data file first and then, by compare-and-set, the manifest that names it. Names and bytes
are functions of the window and of what was published before, so doing it again after a crash at any point
writes the same.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lambda_learner.publish import keys, manifest, owner
from lambda_learner.publish.coefficients import Tombstone, Update
from lambda_learner.publish.errors import DamagedCoefficients, Fenced, PreconditionFailed
from lambda_learner.publish.garbage import sort_garbage
from lambda_learner.publish.manifest import FileEntry, Manifest, VersionedManifest
from lambda_learner.publish.merge import merge
from lambda_learner.publish.parquet_file import table_to_bytes
from lambda_learner.publish.reader import read_table
from lambda_learner.publish.row_builder import encode
from lambda_learner.publish.store import Store, etag_of

__all__ = ["Fenced", "Published", "ShardWriter", "is_merge_due"]

MAX_DELTAS = 32  # objects that a reader fetches at most beside the base
MIN_DELTAS = 8  # below it a merge would rewrite a small shard at nearly every publish

_log = logging.getLogger(__name__)


class Published(NamedTuple):
    """What one publish has committed; without updates there is no file, only the committed close moves on."""

    close_ms: int
    file: FileEntry | None
    bytes_written: int
    etag: str


class ShardWriter:
    """Publishes to one shard of one generation as one epoch (see `owner.claim`). Not thread-safe."""

    def __init__(self, store: Store, model: str, generation: str, shard: int, epoch: int) -> None:
        """Name the shard; nothing is read or written yet."""
        self._store = store
        self._shard = (model, generation, shard)
        self._folder = keys.shard_folder(model, generation, shard)
        self._key = keys.manifest_key(model, generation, shard)
        self._epoch = epoch
        self._unused_since_ms: dict[str, int] = {}

    def publish(self, close_ms: int, updates: Sequence[Update], *, erases: bool = False) -> Published | None:
        """Commit the entities changed up to a close; None, and no change, if that close is committed already.

        `erases`: what the updates replace leaves the files at once, which are merged. Raises Fenced if a newer epoch
        owns the shard. May be repeated after any failure.
        """
        keys.close_text(close_ms)  # ValueError before anything is written
        while True:
            found = self._current()
            if found.manifest.committed_close_ms >= close_ms:
                return None
            try:
                return self._commit(found, close_ms, updates, erases=erases)
            except PreconditionFailed:
                continue  # another writer was faster: its manifest tells whether it or this one goes on

    def erase(self, entity: str) -> tuple[str, ...]:
        """Take an entity out of the shard as it stands, whatever close is committed; give the files that hold it yet.

        Nobody is told of those any more, and `collect_garbage` deletes them. Any process may do so beside the shard's
        writer, under its epoch: both go by compare-and-set. DamagedCoefficients if a file cannot be read.
        """
        while manifest.read_manifest(self._store, *self._shard) is not None:
            found = self._current()
            tables = [read_table(self._store, entry) for entry in found.manifest.files]
            if not any(_holds(table, entity) for table in tables):
                return ()
            rows = merge([*tables, encode([Tombstone(entity, 0)])])
            try:
                self._put_manifest(found, found.manifest.committed_close_ms, (), "base", rows)
            except PreconditionFailed:
                continue
            return tuple(entry.key for entry in found.manifest.files)
        return ()

    def collect_garbage(self, now_ms: int, grace_ms: int, pinned: Collection[str] = ()) -> tuple[str, ...]:
        """Delete the files that have been neither live nor pinned for the grace period; give their keys.

        `now_ms` is the wall clock. A file goes at the earliest one grace period after this writer saw it
        unused, or after the manifest was last written.
        """
        # Listed before the manifest is read: what is committed between the two is kept.
        listed = list(self._store.list(self._folder))
        modified_ms = next((info.modified_ms for info in listed if info.key == self._key), None)
        if modified_ms is None:
            return ()
        live = {entry.key for entry in self._current().manifest.files}
        garbage = sort_garbage(
            [info for info in listed if info.key.endswith(".parquet")],
            live | set(pinned),
            unused_since_ms=self._unused_since_ms,
            manifest_modified_ms=modified_ms,
            now_ms=now_ms,
            grace_ms=grace_ms,
        )
        for key in garbage.due:
            self._store.delete(key)
        self._unused_since_ms = garbage.unused_since_ms
        return garbage.due

    def _current(self) -> VersionedManifest:
        """Give the manifest, made or raised to this writer's epoch if need be; Fenced if it is newer."""
        while True:
            found = manifest.read_manifest(self._store, *self._shard)
            if found is None:
                # A shard's first manifest: none is there yet that a take-over could have raised.
                owner.refuse_if_fenced(self._store, self._key, self._epoch)
            elif found.manifest.epoch > self._epoch:
                raise Fenced(self._key, epoch=self._epoch, newer_epoch=found.manifest.epoch)
            elif found.manifest.epoch == self._epoch:
                return found
            raised = replace(found.manifest, epoch=self._epoch) if found else Manifest(self._epoch)
            try:
                etag = self._store.put_if(self._key, manifest.dumps(raised), found.etag if found else None)
            except PreconditionFailed:
                continue
            return VersionedManifest(raised, etag)

    def _commit(self, found: VersionedManifest, close_ms: int, updates: Sequence[Update], *, erases: bool) -> Published:
        kind, rows, files = self._next_rows(found.manifest.files, encode(updates), erases=erases)
        return self._put_manifest(found, close_ms, files, kind, rows)

    def _put_manifest(  # noqa: PLR0913, PLR0917 - what a manifest is made of
        self,
        found: VersionedManifest,
        close_ms: int,
        files: tuple[FileEntry, ...],
        kind: Literal["base", "delta"],
        rows: pa.Table,
    ) -> Published:
        """Write the rows as a file after those that stay, then the manifest."""
        file, data = None, b""
        if rows.num_rows:  # none: no updates, or a merge of nothing but tombstones
            data = table_to_bytes(rows)
            key_of = keys.base_key if kind == "base" else keys.delta_key
            key = self._put_file(key_of(self._folder, close_ms), data)
            file = FileEntry(key, rows.num_rows, kind, close_ms, etag_of(data))
            files = (*files, file)
        after = replace(found.manifest, committed_close_ms=close_ms, files=files)
        etag = self._store.put_if(self._key, manifest.dumps(after), found.etag)
        return Published(close_ms, file, len(data), etag)

    def _next_rows(
        self, files: tuple[FileEntry, ...], rows: pa.Table, *, erases: bool
    ) -> tuple[Literal["base", "delta"], pa.Table, tuple[FileEntry, ...]]:
        """Give the kind and rows of the file to write, and the files that stay live before it."""
        if rows.num_rows and (erases or is_merge_due(files, rows.num_rows)):
            try:
                return "base", merge([*(read_table(self._store, entry) for entry in files), rows]), ()
            except DamagedCoefficients as damage:
                _log.warning("files are not merged, newer ones are still published: %s", damage)
        return "delta", rows, files

    def _put_file(self, key: str, data: bytes) -> str:
        """Write a data file and give its key; what a file holds never changes, whoever wrote it.

        If another content is there (what a crash or another writer left), the key gets the checksum within.
        """
        checked_key = keys.other_key(key, etag_of(data))
        for candidate in (key, checked_key):
            try:
                self._store.put_if(candidate, data, None)
            except PreconditionFailed:
                left = self._store.get(candidate)
                if left is None or left.data != data:
                    continue
                self._store.put(candidate, data)  # the same bytes: a file just written is no garbage yet
            return candidate
        raise DamagedCoefficients(checked_key, "its content is not the one that its name tells")


def _holds(table: pa.Table, entity: str) -> bool:
    return bool(pc.any(pc.equal(table["entity"].cast(pa.string()), entity)).as_py())


def is_merge_due(files: Sequence[FileEntry], new_rows: int) -> bool:
    """Tell whether a new delta makes a merge due: too many deltas, or more rows in them than in the base."""
    deltas = [entry.rows for entry in files if entry.kind == "delta"] + [new_rows]
    base_rows = sum(entry.rows for entry in files if entry.kind == "base")
    return len(deltas) >= MAX_DELTAS or (len(deltas) >= MIN_DELTAS and sum(deltas) > base_rows)
