"""The bucket as a store of whole objects with compare-and-set; here a local folder (S3: `s3_store`).

A store gives: atomic puts (a reader sees the old object or the new one), read after write, and `put_if`,
which writes only over the object whose etag is given (If-Match; None: If-None-Match *).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from lambda_learner.disk import make_folders, sync_folder, write_file
from lambda_learner.publish.errors import PreconditionFailed, StoreError
from lambda_learner.publish.object_keys import check_key, check_prefix
from lambda_learner.publish.s3_address import SCHEME, masked, parse_address

__all__ = [
    "FolderStore",
    "Object",
    "ObjectInfo",
    "PreconditionFailed",
    "Store",
    "StoreError",
    "etag_of",
    "open_store",
]

_LOCK = ".lock"  # one a folder: its holder is the only one that writes there
_TEMPORARY = ".tmp"  # one a folder, written under the lock only: so a leftover is a dead writer's


class Object(NamedTuple):
    """An object's content, and the etag that a compare-and-set expects."""

    data: bytes
    etag: str


class ObjectInfo(NamedTuple):
    """One listed object; the etag is empty where a listing would have to read the object to know it."""

    key: str
    size: int
    modified_ms: int
    etag: str


class Store(Protocol):
    """Whole objects under keys such as `a/b/c.json` (`object_keys` says which; others are a ValueError).

    Safe for threads, processes and pickling. What cannot be done is a StoreError, within bounded time.
    """

    def get(self, key: str) -> Object | None:
        """Give the object, or None if there is none."""

    def put(self, key: str, data: bytes) -> None:
        """Write the object, whatever was there."""

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        """Write over the object of that etag (None: over nothing), else PreconditionFailed; give its etag."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Give the objects whose key starts with the prefix, in order of key."""

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""


class FolderStore:
    """A store in a local folder; safe for many threads and processes of one machine.

    A write is a temporary file in the same folder, synced, then renamed; names with a leading dot are ours
    and never listed. The etag is a hash of the content, so the same content always has the same etag.
    Listings give no etag.
    """

    def __init__(self, root: str | Path) -> None:
        """Name the folder; it is made by the first write."""
        self._root = Path(root).absolute()

    def __repr__(self) -> str:
        """Name the folder."""
        return f"FolderStore({str(self._root)!r})"

    def get(self, key: str) -> Object | None:
        """Give the object, or None if there is none."""
        try:
            data = self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            failure = self._failure(f"read {key}", error)
            raise failure from error
        return Object(data, etag_of(data))

    def put(self, key: str, data: bytes) -> None:
        """Write the object, whatever was there."""
        path = self._path(key)
        with self._writing(key, path.parent):
            _replace(path, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        """Write over the object of that etag (None: over nothing), else PreconditionFailed; give its etag."""
        path = self._path(key)
        with self._writing(key, path.parent):
            current = self.get(key)
            if (current.etag if current else None) != etag:
                raise PreconditionFailed(key)
            _replace(path, data)
        return etag_of(data)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Give the objects whose key starts with the prefix, in order of key."""
        folder = check_prefix(prefix).rpartition("/")[0]
        for key in sorted(key for key in self._keys(folder) if key.startswith(prefix)):
            try:
                status = self._path(key).stat()
            except FileNotFoundError:
                continue  # deleted since the walk
            yield ObjectInfo(key, status.st_size, status.st_mtime_ns // 1_000_000, "")

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        path = self._path(key)
        if not path.is_file():
            return
        with self._writing(key, path.parent):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*check_key(key).split("/"))

    def _keys(self, folder: str) -> Iterator[str]:
        start = self._path(folder) if folder else self._root
        for place, folders, files in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if not name.startswith("."):
                    yield Path(place, name).relative_to(self._root).as_posix()

    @contextmanager
    def _writing(self, key: str, folder: Path) -> Iterator[None]:
        """Hold the folder's lock and turn what the system refuses into a StoreError."""
        try:
            make_folders(folder)
            with (folder / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                (folder / _TEMPORARY).unlink(missing_ok=True)
                yield
        except OSError as error:
            failure = self._failure(f"write {key}", error)
            raise failure from error

    def _failure(self, action: str, error: OSError) -> StoreError:
        return StoreError(
            f"cannot {action} in {self._root}: {error.strerror or error}; give this user access to the "
            "folder and the disk free space, or name another folder under `bucket`"
        )


def open_store(url: str | Path) -> Store:
    """Open the store that `file:path`, a plain path or `s3://bucket/prefix` names; nothing is read or written yet.

    `s3://bucket/prefix?endpoint=URL&region=NAME` names the server too (`s3_address`).
    """
    text = str(url)
    scheme, colon, rest = text.partition(":")
    if isinstance(url, Path) or not colon or "/" in scheme:
        rest = text
    elif text.startswith(SCHEME):
        return _open_s3(text)
    elif scheme != "file":
        message = f"bucket must be file:PATH, a path or s3://BUCKET/PREFIX, got an address that begins with {scheme}:"
        raise StoreError(message)
    elif rest.startswith("///"):
        rest = rest[2:]
    if not rest:
        message = f"bucket must name a folder, got {text!r}"
        raise StoreError(message)
    return FolderStore(rest)


def _open_s3(url: str) -> Store:
    try:
        address = parse_address(url)
    except ValueError as error:
        message = f"bucket {error}, got {masked(url)!r}"
        raise StoreError(message) from error
    try:
        from lambda_learner.publish.s3_store import S3Store  # noqa: PLC0415 - boto3 is an extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        message = f"bucket {address.place} needs boto3, which is not installed: pip install 'lambda-learner-flink[s3]'"
        raise StoreError(message) from error
    return S3Store(address)


def etag_of(data: bytes) -> str:
    """Give the hash of a content that serves as its etag and as a file's checksum: 32 hex digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _replace(path: Path, data: bytes) -> None:
    temporary = path.parent / _TEMPORARY
    try:
        write_file(temporary, data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
