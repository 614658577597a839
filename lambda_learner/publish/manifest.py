"""What is live in one shard: manifest.json, the only object that says which files count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lambda_learner.publish import keys
from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import DamagedManifest
from lambda_learner.publish.store import Store

__all__ = ["DamagedManifest", "FileEntry", "Manifest", "VersionedManifest", "dumps", "loads", "read_manifest"]

FORMAT_VERSION = 1
NOTHING_COMMITTED_MS = -1  # before any close


class FileEntry(NamedTuple):
    """One live file: its key, rows, kind (`delta` or `base`), last close and the hash of its content."""

    key: str
    rows: int
    kind: str
    close_ms: int
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a shard, oldest first, the last window committed and the epoch of the job that owns it."""

    epoch: int
    committed_close_ms: int = NOTHING_COMMITTED_MS
    files: tuple[FileEntry, ...] = ()
    active_base: str = ""


class VersionedManifest(NamedTuple):
    """A manifest and the etag that a compare-and-set over it expects."""

    manifest: Manifest
    etag: str


def dumps(manifest: Manifest) -> bytes:
    """Give the manifest's text: the same for the same manifest, no clock in it."""
    fields = {
        "epoch": manifest.epoch,
        "committed_close_ms": manifest.committed_close_ms,
        "active_base": manifest.active_base,
        "files": [entry._asdict() for entry in manifest.files],
    }
    return to_text(fields, format_version=FORMAT_VERSION)


def loads(data: bytes, key: str) -> Manifest:
    """Read a manifest's text; DamagedManifest or NewerFormat name the key."""
    document = Document.parse(data, key, DamagedManifest, format_version=FORMAT_VERSION)
    folder = key.rpartition("/")[0] + "/"
    return Manifest(
        epoch=document.integer("epoch", minimum=0),
        committed_close_ms=document.integer("committed_close_ms", minimum=NOTHING_COMMITTED_MS),
        active_base=document.text("active_base"),
        files=tuple(_entry(fields, folder) for fields in document.children("files")),
    )


def read_manifest(store: Store, model: str, generation: str, shard: int) -> VersionedManifest | None:
    """Give a shard's manifest and its etag, None before the first publish."""
    key = keys.manifest_key(model, generation, shard)
    found = store.get(key)
    return None if found is None else VersionedManifest(loads(found.data, key), found.etag)


def _entry(fields: Document, folder: str) -> FileEntry:
    key = fields.text("key")
    if not key.startswith(folder):  # a file elsewhere would be read, and never be cleaned up
        accepted = f"a key under {folder}"
        raise fields.failure(field="key", accepted=accepted, value=key)
    return FileEntry(
        key=key,
        rows=fields.integer("rows", minimum=0),
        kind=fields.text("kind", among=("delta", "base")),
        close_ms=fields.integer("close_ms", minimum=0),
        checksum=fields.text("checksum"),
    )
