"""The entities of a shard as they stand: all live files merged, the latest rows of each entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone
from lambda_learner.publish.errors import DamagedCoefficients, DamagedManifest
from lambda_learner.publish.keys import manifest_key
from lambda_learner.publish.manifest import FileEntry, Manifest, VersionedManifest, read_manifest
from lambda_learner.publish.merge import merge
from lambda_learner.publish.parquet_file import decode_table, table_from_bytes
from lambda_learner.publish.store import Store, etag_of

__all__ = ["NOTHING_PUBLISHED", "Shard", "load_shard", "read_shard", "read_table"]


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as of one manifest; an empty etag and no manifest before the first publish."""

    manifest: Manifest | None
    etag: str
    entities: Mapping[str, EntityCoefficients]


NOTHING_PUBLISHED = Shard(None, "", {})


def read_shard(
    store: Store, model: str, generation: str, shard: int, *, files: Sequence[FileEntry] | None = None
) -> dict[str, EntityCoefficients]:
    """Give the entities of a shard, of the given files only (oldest first) if there are any given.

    A file that is missing or not what its entry says raises DamagedCoefficients.
    """
    if files is not None:
        return _entities(store, files)
    return dict(load_shard(store, model, generation, shard).entities)


def load_shard(store: Store, model: str, generation: str, shard: int, *, previous: Shard = NOTHING_PUBLISHED) -> Shard:
    """Give the shard of the newest manifest; files that `previous` has merged already are not read again.

    Raises DamagedManifest or DamagedCoefficients, also for a manifest that `previous` had and that is gone.
    """
    found = read_manifest(store, model, generation, shard)
    while found is not None:
        if found.etag == previous.etag:
            return previous
        try:
            return _loaded(store, found, previous)
        except DamagedCoefficients:
            # A reader slower than the grace period may find a file gone: then the manifest has moved on.
            newest = read_manifest(store, model, generation, shard)
            if newest is None or newest.etag == found.etag:
                raise
            found = newest
    if previous.manifest is not None:
        raise DamagedManifest(manifest_key(model, generation, shard), "it is gone")
    return NOTHING_PUBLISHED


def read_table(store: Store, entry: FileEntry) -> pa.Table:
    """Give one live file's rows; DamagedCoefficients if it is missing or not what its entry says."""
    found = store.get(entry.key)
    if found is None:
        raise DamagedCoefficients(entry.key, "its manifest names it, but it is not in the bucket")
    if entry.checksum and etag_of(found.data) != entry.checksum:
        raise DamagedCoefficients(entry.key, "its content is not the one that its manifest names")
    table = table_from_bytes(found.data, entry.key)
    if table.num_rows != entry.rows:
        raise DamagedCoefficients(entry.key, f"its manifest names {entry.rows} rows, it has {table.num_rows}")
    return table


def _loaded(store: Store, found: VersionedManifest, previous: Shard) -> Shard:
    files = found.manifest.files
    merged = previous.manifest.files if previous.manifest else ()
    if not merged or files[: len(merged)] != merged:
        return Shard(found.manifest, found.etag, _entities(store, files))
    entities = dict(previous.entities)
    for entry in files[len(merged) :]:
        for update in decode_table(read_table(store, entry), entry.key):
            if isinstance(update, Tombstone):
                entities.pop(update.entity, None)
            else:
                entities[update.entity] = update
    return Shard(found.manifest, found.etag, entities)


def _entities(store: Store, files: Sequence[FileEntry]) -> dict[str, EntityCoefficients]:
    table = merge([read_table(store, entry) for entry in files])
    updates = decode_table(table, files[-1].key if files else "")
    return {update.entity: update for update in updates if isinstance(update, EntityCoefficients)}
