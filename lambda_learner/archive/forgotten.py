"""Who is forgotten, and up to when: `forgotten/{model}/entities.json` in the train bucket, by the entity's SHA-256.

What was decided up to then is neither archived nor learned when it is read once more: after a restart, in a replay, or
by a job that was behind. The times of ids count. The object grows by a line an entity that was ever forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from lambda_learner.archive.forget_record import DamagedForgetRecord, sha256
from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import PreconditionFailed
from lambda_learner.publish.store import Store

__all__ = ["NOBODY", "Forgotten", "add_forgotten", "forgotten_key", "read_all_forgotten", "read_forgotten"]

_FOLDER: Final = "forgotten/"
_NAME: Final = "/entities.json"
_FORMAT_VERSION: Final = 1
_sha256: Final = lru_cache(maxsize=65_536)(sha256)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Times in ms by model and SHA-256 of the entity."""

    by_model: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def until_ms(self, model: str, entity: str) -> int:
        """Up to when an entity is forgotten; 0 if it never was."""
        entities = self.by_model.get(model)
        return entities.get(_sha256(entity), 0) if entities else 0


NOBODY: Final = Forgotten()


def forgotten_key(model: str) -> str:
    """Where the times of a model's entities lie."""
    return f"{_FOLDER}{model}{_NAME}"


def read_forgotten(store: Store, model: str) -> Mapping[str, int]:
    """The times of a model's entities by their SHA-256; DamagedForgetRecord if they cannot be read."""
    found = store.get(forgotten_key(model))
    return {} if found is None else _parse(found.data, forgotten_key(model))


def read_all_forgotten(store: Store) -> Forgotten:
    """The times of all models' entities."""
    models = [info.key[len(_FOLDER) : -len(_NAME)] for info in store.list(_FOLDER) if info.key.endswith(_NAME)]
    return Forgotten({model: read_forgotten(store, model) for model in models})


def add_forgotten(store: Store, model: str, entity: str, until_ms: int) -> None:
    """Note that an entity is forgotten up to a time; a later one that is there already stays."""
    key, name = forgotten_key(model), sha256(entity)
    while True:
        found = store.get(key)
        known = {} if found is None else _parse(found.data, key)
        if known.get(name, 0) >= until_ms:
            return
        try:
            entities = {"entities": {**known, name: until_ms}}
            store.put_if(key, to_text(entities, format_version=_FORMAT_VERSION), found.etag if found else None)
        except PreconditionFailed:
            continue
        return


def _parse(data: bytes, key: str) -> dict[str, int]:
    document = Document.parse(data, key, DamagedForgetRecord, format_version=_FORMAT_VERSION)
    entities = document.child("entities")
    return {name: entities.integer(name, minimum=0) for name in entities.names()}
