"""The bucket in S3, or in a server that speaks its protocol and has its conditional writes.

Puts of S3 are atomic, and read after write holds, for listings too. The etag is the server's.
"""

from __future__ import annotations

import os
import uuid
import zlib
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from lambda_learner.publish.errors import PreconditionFailed, StoreError
from lambda_learner.publish.object_keys import check_key, check_prefix, is_key
from lambda_learner.publish.s3_address import S3Address
from lambda_learner.publish.s3_client import connect
from lambda_learner.publish.s3_conditions import PROBE, heeds_conditions
from lambda_learner.publish.s3_errors import failure, is_missing, is_refused, was_retried
from lambda_learner.publish.store import Object, ObjectInfo

__all__ = ["S3Store"]

READ_ATTEMPTS: Final = 3  # of an object whose content breaks off, which boto3 does not try again
MAX_KEY_BYTES: Final = 1_024  # S3's limit, of prefix and key together
_BROKEN_OFF: Final = (FlexibleChecksumError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
_WRITE_ID: Final = "write-id"  # in the metadata of what put_if wrote: its writer knows its own by it
_TYPES: Final = {".json": "application/json", ".gz": "application/gzip"}
_ANY_TYPE: Final = "application/octet-stream"


class S3Store:
    """A store in a bucket of S3, under a prefix; safe for threads, forks and pickling, as each process connects itself.

    A request that fails is tried again within bounds (`s3_client`), then a StoreError. One that has failed so may
    still have been carried out: all writers of this package may repeat themselves.
    """

    def __init__(self, address: S3Address, *, connector: Callable[[S3Address], Any] = connect) -> None:
        """Name the bucket; nothing is read or written yet. `connector` makes boto3's client."""
        self._address = address
        self._connector = connector
        self._root = f"{address.prefix}/" if address.prefix else ""
        self._connected: tuple[int, Any] | None = None
        self._is_conditional = False

    def __repr__(self) -> str:
        """Name the address."""
        return f"S3Store({str(self._address)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the address, not the connection."""
        return _reopened, (self._address, self._connector)

    def get(self, key: str) -> Object | None:
        """Give the object, or None if there is none."""
        full_key = self._full(key)
        with self._explained(f"read {key}"):
            try:
                return self._read(full_key, READ_ATTEMPTS)
            except ClientError as error:
                if is_missing(error):
                    return None
                raise

    def put(self, key: str, data: bytes) -> None:
        """Write the object, whatever was there."""
        full_key = self._full(key)
        with self._explained(f"write {key}"):
            self._put(full_key, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        """Write over the object of that etag (None: over nothing), else PreconditionFailed; give its etag.

        Where an answer was lost and the write repeated, the refusal of the second may be the work of the first: then
        the object is looked at, and is this one's if it has its mark. If another has written over it since, it is
        PreconditionFailed, though it was there for a moment.
        """
        full_key = self._full(key)
        self._require_conditional_writes()
        mark = uuid.uuid4().hex
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with self._explained(f"write {key}"):
            try:
                return str(self._put(full_key, data, Metadata={_WRITE_ID: mark}, **condition)["ETag"])
            except ClientError as error:
                if not is_refused(error):
                    raise
                own = self._etag_of_marked(full_key, mark) if was_retried(error) else None
                if own is None:
                    raise PreconditionFailed(key) from error
                return own

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Give the objects whose key starts with the prefix, in order of key; holds all their names for that."""
        full_prefix = self._root + check_prefix(prefix)
        with self._explained(f"list {prefix or 'all'}"):
            found = [self._info(item) for item in self._items(full_prefix)]
        # Not every server lists in order of key: some go folder by folder, and S3's own directory buckets in any.
        yield from sorted(info for info in found if is_key(info.key))

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        full_key = self._full(key)
        with self._explained(f"delete {key}"):
            self._client().delete_object(Bucket=self._address.bucket, Key=full_key)

    def remove_folders_but(self, kept: Collection[str]) -> None:
        """Remove all under the prefix but these folders, by their first names: also what is no key here.

        Other programs leave such objects: empty ones that stand for folders. Each is a request.
        """
        assert self._root, "a whole bucket is never removed"
        with self._explained("remove old objects"):
            for item in self._items(self._root):
                if item["Key"].removeprefix(self._root).partition("/")[0] not in kept:
                    self._client().delete_object(Bucket=self._address.bucket, Key=item["Key"])

    def _items(self, prefix: str) -> Sequence[Any]:
        """What the server lists under a prefix."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self._address.bucket, Prefix=prefix)
        return [item for page in pages for item in page.get("Contents", ())]

    def _client(self) -> Any:
        """The client of this process: sockets that a fork shared would mix up answers."""
        process = os.getpid()
        if self._connected is None or self._connected[0] != process:
            self._connected = process, self._connector(self._address)
        return self._connected[1]

    def _read(self, full_key: str, attempts: int) -> Object:
        answer = self._client().get_object(Bucket=self._address.bucket, Key=full_key)
        try:
            return Object(answer["Body"].read(), answer["ETag"])
        except _BROKEN_OFF:
            if attempts == 1:
                raise
            return self._read(full_key, attempts - 1)

    def _put(self, full_key: str, data: bytes, **options: Any) -> Any:
        client = self._client()
        kind = next((kind for suffix, kind in _TYPES.items() if full_key.endswith(suffix)), _ANY_TYPE)
        if client.meta.config.request_checksum_calculation != "when_required":
            # Else boto3 sends its own after the content, as Content-Encoding: aws-chunked, which some servers keep.
            options["ChecksumCRC32"] = b64encode(zlib.crc32(data).to_bytes(4)).decode()
        return client.put_object(Bucket=self._address.bucket, Key=full_key, Body=data, ContentType=kind, **options)

    def _etag_of_marked(self, full_key: str, mark: str) -> str | None:
        """The etag of the object if it has this mark."""
        try:
            answer = self._client().head_object(Bucket=self._address.bucket, Key=full_key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return str(answer["ETag"]) if answer.get("Metadata", {}).get(_WRITE_ID) == mark else None

    def _require_conditional_writes(self) -> None:
        """StoreError for a server that would write in spite of a condition: two writers would undo each other's work.

        Asked once, before the first conditional write.
        """
        if self._is_conditional:
            return
        with self._explained("write on a condition"):
            self._is_conditional = heeds_conditions(partial(self._put, self._root + PROBE, b""))
        if not self._is_conditional:
            message = (
                f"cannot write on a condition in {self._address.place}: the server ignores If-None-Match or If-Match, "
                "so two jobs could undo each other's work; use S3 itself, or a release of the server that heeds them"
            )
            raise StoreError(message)

    def _info(self, item: Any) -> ObjectInfo:
        modified_ms = int(item["LastModified"].timestamp() * 1_000)
        return ObjectInfo(item["Key"].removeprefix(self._root), item["Size"], modified_ms, item["ETag"])

    def _full(self, key: str) -> str:
        full_key = self._root + check_key(key)
        if len(full_key.encode()) > MAX_KEY_BYTES:
            message = f"a key in {self._address.place} has at most {MAX_KEY_BYTES} bytes with its prefix, got {key!r}"
            raise StoreError(message)
        return full_key

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Turn what boto3 raises into a StoreError."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise failure(action, self._address, error) from error


def _reopened(address: S3Address, connector: Callable[[S3Address], Any]) -> S3Store:
    return S3Store(address, connector=connector)
