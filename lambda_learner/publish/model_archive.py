"""Archived models and where they come from, as they are listed and read (`models.py` writes them)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import BucketError, DamagedObject
from lambda_learner.publish.model_keys import (
    EXTENSIONS,
    MODEL_EXTENSION,
    RECORD_EXTENSION,
    archive_folder,
    archive_key,
    stem_and_extension,
)
from lambda_learner.publish.store import Store, etag_of

__all__ = [
    "Archived",
    "DamagedArchive",
    "Lineage",
    "NoSuchModel",
    "archived_models",
    "is_gzip",
    "lineage_key",
    "lineage_text",
    "read_lineage",
    "whole_files",
]

FORMAT_VERSION: Final = 1


class DamagedArchive(DamagedObject):
    """An archived model cannot be used."""

    remedy = "roll back to another one (`lambda-learner models list`)"


class NoSuchModel(BucketError):
    """There is no archived model of that stem."""

    def __init__(self, model: str, stem: str) -> None:
        """Name the model and what was asked for."""
        super().__init__(
            f"model {model!r} has no archived {stem!r}: `lambda-learner models list` shows what there is to go back to"
        )


class Archived(NamedTuple):
    """An archived model as a listing shows it; `size` is that of all its files."""

    stem: str
    extensions: tuple[str, ...]
    size: int
    has_lineage: bool


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an archived model comes from; `fields` is the JSON object that `publish_model` was given.

    checksums: of each extension's file, as `etag_of` makes them.
    """

    model: str
    stem: str
    request_id: str
    published_ms: int
    checksums: Mapping[str, str]
    fields: Mapping[str, Any]


def archived_models(store: Store, model: str) -> list[Archived]:
    """Give what is archived of a model, newest first; only a listing is read."""
    found: dict[str, dict[str, int]] = {}
    for info in store.list(archive_folder(model)):
        parts = stem_and_extension(model, info.key)
        if parts is not None:
            found.setdefault(parts[0], {})[parts[1]] = info.size
    return [
        Archived(stem, tuple(sorted(set(sizes) & set(EXTENSIONS))), sum(sizes.values()), RECORD_EXTENSION in sizes)
        for stem, sizes in sorted(found.items(), reverse=True)
        if MODEL_EXTENSION in sizes
    ]


def read_lineage(store: Store, model: str, stem: str) -> Lineage | None:
    """Give where an archived model comes from; None for one of the Gym's, which has none."""
    key = lineage_key(model, stem)
    found = store.get(key)
    if found is None:
        return None
    document = Document.parse(found.data, key, DamagedArchive, format_version=FORMAT_VERSION)
    checksums = document.child("checksums")
    document.child("lineage")  # must be an object, whatever is in it
    raw = orjson.loads(found.data)
    return Lineage(
        document.text("model"),
        document.text("stem"),
        document.text("request_id"),
        document.integer("published_ms", minimum=0),
        {extension: checksums.text(extension) for extension in raw["checksums"]},
        raw["lineage"],
    )


def lineage_text(lineage: Lineage) -> bytes:
    """Give the text that `read_lineage` reads: the same for the same lineage."""
    record = {
        "model": lineage.model,
        "stem": lineage.stem,
        "request_id": lineage.request_id,
        "published_ms": lineage.published_ms,
        "checksums": lineage.checksums,
        "lineage": lineage.fields,
    }
    return to_text(record, format_version=FORMAT_VERSION)


def whole_files(store: Store, model: str, stem: str) -> dict[str, bytes]:
    """Give an archived model's files by extension; DamagedArchive if one is not what it was."""
    lineage = read_lineage(store, model, stem)
    files: dict[str, bytes] = {}
    for extension in EXTENSIONS:
        key = archive_key(model, stem, extension)
        found = store.get(key)
        if found is None:
            continue
        if lineage is not None and etag_of(found.data) != lineage.checksums.get(extension):
            raise DamagedArchive(key, "its content is not the one that its lineage names")
        if not is_gzip(found.data):
            raise DamagedArchive(key, "it is no whole gzip file")
        files[extension] = found.data
    if MODEL_EXTENSION not in files:
        raise NoSuchModel(model, stem)
    return files


def is_gzip(data: bytes) -> bool:
    """Tell whether data is one whole gzip file with something in it."""
    try:
        return len(gzip.decompress(data)) > 0
    except (OSError, EOFError, zlib.error):
        return False


def lineage_key(model: str, stem: str) -> str:
    """Give the key of where an archived model comes from."""
    return archive_key(model, stem, RECORD_EXTENSION)
