"""Partitions: the archive's files and their keys (improve_protocol.md §3).

    rewarded_decisions/{model}/parquet/YYYY/MM/DD/{max}-{min}-{rows}-{uuid}.parquet

max and min are the seconds of the greatest and the least decision_id, the folders those of max: a listing is in the
order of the newest decision. The uuid is one of the content, or of what the caller names: who writes the same rows
again writes the same bytes under the same key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid5

import pyarrow as pa

from lambda_learner.archive.parquet_file import to_parquet
from lambda_learner.events import ksuid
from lambda_learner.publish.keys import is_model
from lambda_learner.publish.store import Store, etag_of

__all__ = [
    "ROOT",
    "Partition",
    "PartitionFile",
    "all_partitions",
    "first_id",
    "models_of",
    "parse_key",
    "partition_file",
    "partitions",
    "prefix_of",
]

ROOT: Final = "rewarded_decisions/"
_NAMESPACE: Final = UUID("6b1f6f2e-7d0c-5a55-9a55-0b7b3b1f4c11")  # any fixed one: it makes our names a family
_TIME: Final = r"\d{8}T\d{6}Z"
_KEY: Final = re.compile(
    ROOT + rf"(?P<model>[^/]+)/parquet/\d{{4}}/\d{{2}}/\d{{2}}/"
    rf"(?P<max>{_TIME})-(?P<min>{_TIME})-(?P<rows>\d{{1,18}})-[^/]{{36}}\.parquet",
    re.ASCII,
)
_NO_PAYLOAD: Final = bytes(16)
_MAX_SECOND: Final = ksuid.EPOCH_S + 2**32 - 1  # the last one that an id can carry
_FORMAT: Final = "%Y%m%dT%H%M%SZ"


class Partition(NamedTuple):
    """What a key says of its file; `min_s` and `max_s` are unix seconds, `size` is in bytes."""

    key: str
    model: str
    min_s: int
    max_s: int
    rows: int
    size: int = 0


class PartitionFile(NamedTuple):
    """A file to be written: its key and its bytes."""

    key: str
    data: bytes


def prefix_of(model: str) -> str:
    """The prefix of a model's partitions; ValueError for a name that no model has."""
    if not is_model(model):
        message = f"model must be 1–64 of a-zA-Z0-9_-. with a letter or digit first, got {model!r}"
        raise ValueError(message)
    return f"{ROOT}{model}/parquet/"


def parse_key(key: str, size: int = 0) -> Partition | None:
    """What a key says; None if it is not that of a partition."""
    match = _KEY.fullmatch(key)
    if match is None or not is_model(match["model"]):
        return None
    try:
        min_s, max_s = _second(match["min"]), _second(match["max"])
    except ValueError:
        return None  # a 13th month
    return Partition(key, match["model"], min(min_s, max_s), max(min_s, max_s), int(match["rows"]), size)


def partitions(store: Store, model: str) -> list[Partition]:
    """A model's partitions in order of key; other objects under its prefix are left out."""
    found = (parse_key(info.key, info.size) for info in store.list(prefix_of(model)))
    return [partition for partition in found if partition is not None]


def all_partitions(store: Store, model: str) -> list[Partition]:
    """Files that hold all of a model's rows, though others may write and compact meanwhile; in order of key.

    One listing may pass the place of a merged file before it is written, and that of its inputs after they are gone.
    What two listings in a row name has every row, or names a file that is gone when it is read: list again then.
    """
    return sorted({*partitions(store, model), *partitions(store, model)})


def models_of(store: Store) -> list[str]:
    """The models that have a partition, in order; lists the whole archive."""
    return sorted({partition.model for partition in _all(store)})


def partition_file(model: str, table: pa.Table, inputs: Sequence[str] | None = None) -> PartitionFile:
    """The file of a table's rows (at least one, sorted by decision_id), named by its content or by `inputs`.

    A replay that names the same inputs must write the same rows: a key stands for one content.
    """
    ids = table["decision_id"]
    newest, oldest = (ksuid.unix_seconds(ids[place].as_py()) for place in (-1, 0))
    data = to_parquet(table)
    name = uuid5(_NAMESPACE, etag_of(data) if inputs is None else "\n".join(inputs))
    folders = datetime.fromtimestamp(newest, tz=UTC).strftime("%Y/%m/%d")
    stem = f"{_time_text(newest)}-{_time_text(oldest)}-{table.num_rows}-{name}"
    return PartitionFile(f"{prefix_of(model)}{folders}/{stem}.parquet", data)


def first_id(second: int) -> str:
    """The least id of a unix second: ids of that second or later are not less than it.

    Seconds before the first of a KSUID give its least id, those after its last one a text greater than any id.
    """
    if second > _MAX_SECOND:
        return "~"
    return ksuid.encode(max(second, ksuid.EPOCH_S), _NO_PAYLOAD)


def _all(store: Store) -> Iterator[Partition]:
    for info in store.list(ROOT):
        partition = parse_key(info.key, info.size)
        if partition is not None:
            yield partition


def _time_text(second: int) -> str:
    return datetime.fromtimestamp(second, tz=UTC).strftime(_FORMAT)


def _second(text: str) -> int:
    return int(datetime.strptime(text, _FORMAT).replace(tzinfo=UTC).timestamp())
