"""The record of what was forgotten: `forgotten/{model}/{uuid}.json`, a name that follows from the entity.

It has the entity's SHA-256, not the entity, and the ids of its decisions: without those a run that was killed could
not find the rest, nor a later run what a replay brings back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal
from uuid import UUID, uuid5

import orjson

from lambda_learner.publish.document import Document
from lambda_learner.publish.errors import DamagedObject, PreconditionFailed
from lambda_learner.publish.store import ObjectInfo, Store

__all__ = [
    "DamagedForgetRecord",
    "ForgetRecord",
    "ids_of",
    "read_record",
    "record_infos",
    "record_key",
    "sha256",
    "update_record",
]

_FORMAT_VERSION: Final = 1
_NAME: Final = re.compile(r"forgotten/[^/]+/[0-9a-f]{8}-[0-9a-f-]{27}\.json")
_NAMESPACE: Final = UUID("0f6c1c4e-6f1b-5d0e-8a39-6d2f0f6f2a77")


class DamagedForgetRecord(DamagedObject):
    """The record of an entity's removal cannot be read back."""

    remedy = "restore it from a copy, or delete it and forget the entity again"


@dataclass(frozen=True, slots=True)
class ForgetRecord:
    """What was done for one entity; times in ms, `started` until a whole pass has found nothing more.

    `rows_removed` counts at least what was removed: that of a killed run is missing. `unexamined` are files that
    nobody can read: they may hold the entity's rows still.
    """

    model: str
    entity_sha256: str
    entity_paths: tuple[str, ...]
    state: Literal["started", "done"]
    started_ms: int
    finished_ms: int = 0
    decision_ids: tuple[str, ...] = ()
    rows_removed: int = 0
    files_rewritten: int = 0
    files_deleted: int = 0
    unexamined: tuple[str, ...] = ()


def record_key(model: str, entity: str) -> str:
    """Where an entity's record lies."""
    return f"forgotten/{model}/{uuid5(_NAMESPACE, entity)}.json"


def read_record(store: Store, model: str, entity: str) -> ForgetRecord | None:
    """The record of an entity; None if nothing was ever forgotten of it."""
    key = record_key(model, entity)
    found = store.get(key)
    return None if found is None else _parse(found.data, key)


def record_infos(store: Store, model: str) -> frozenset[ObjectInfo]:
    """The records of a model as they are listed: one that was written meanwhile is another."""
    return frozenset(info for info in store.list(f"forgotten/{model}/") if _NAME.fullmatch(info.key))


def ids_of(store: Store, infos: Iterable[ObjectInfo]) -> set[str]:
    """The ids of the decisions in these records."""
    found = [(info.key, store.get(info.key)) for info in infos]
    return {each for key, held in found if held is not None for each in _parse(held.data, key).decision_ids}


def update_record(store: Store, entity: str, record: ForgetRecord) -> ForgetRecord:
    """Write a record; ids that another run has written meanwhile are kept."""
    key = record_key(record.model, entity)
    while True:
        found = store.get(key)
        known: Iterable[str] = () if found is None else _parse(found.data, key).decision_ids
        record = replace(record, decision_ids=tuple(sorted({*record.decision_ids, *known})))
        fields = {"format_version": _FORMAT_VERSION, **asdict(record)}
        data = orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        try:
            store.put_if(key, data, found.etag if found else None)
        except PreconditionFailed:
            continue
        return record


def sha256(entity: str) -> str:
    """The entity as the record names it."""
    return hashlib.sha256(entity.encode()).hexdigest()


def _parse(data: bytes, key: str) -> ForgetRecord:
    document = Document.parse(data, key, DamagedForgetRecord, format_version=_FORMAT_VERSION)
    return ForgetRecord(
        model=document.text("model"),
        entity_sha256=document.text("entity_sha256"),
        entity_paths=document.texts("entity_paths"),
        state="done" if document.text("state", among=("started", "done")) == "done" else "started",
        started_ms=document.integer("started_ms", minimum=0),
        finished_ms=document.integer("finished_ms", minimum=0),
        decision_ids=document.texts("decision_ids"),
        rows_removed=document.integer("rows_removed", minimum=0),
        files_rewritten=document.integer("files_rewritten", minimum=0),
        files_deleted=document.integer("files_deleted", minimum=0),
        unexamined=document.texts("unexamined"),
    )
