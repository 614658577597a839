"""Which job owns the bucket: coefficients/_owner.json, and the epoch that fences the jobs before it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from lambda_learner.publish import keys, manifest
from lambda_learner.publish.document import Document, to_text
from lambda_learner.publish.errors import (
    DamagedManifest,
    DamagedOwner,
    Fenced,
    OwnedByAnother,
    PreconditionFailed,
)
from lambda_learner.publish.store import Object, Store

__all__ = ["DamagedOwner", "Fenced", "OwnedByAnother", "Owner", "claim", "read_owner", "refuse_if_fenced"]

FORMAT_VERSION = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """A job and its epoch."""

    owner_id: str
    epoch: int


def claim(store: Store, owner_id: str, *, take_over: bool) -> int:
    """Make the job the bucket's owner and give its epoch, which every manifest has then at least.

    The owner itself keeps its epoch. Another's bucket raises OwnedByAnother, unless `take_over`: that raises
    the epoch, so that the old owner's next publish is Fenced. Repeating a claim that was cut short completes
    it.
    """
    while True:
        found = store.get(keys.OWNER_KEY)
        current = _loads(found) if found else None
        if current is not None and current.owner_id == owner_id:
            break
        if current is not None and not take_over:
            raise OwnedByAnother(owner_id=current.owner_id, wanted_by=owner_id)
        newest = current.epoch if current else _newest_epoch(store)
        try:
            current = Owner(owner_id, newest + 1)
            store.put_if(keys.OWNER_KEY, _dumps(current), found.etag if found else None)
        except PreconditionFailed:
            continue
        break
    for key in _manifest_keys(store):
        _raise_epoch(store, key, current.epoch)
    return current.epoch


def read_owner(store: Store) -> Owner | None:
    """Give the bucket's owner, None before the first claim."""
    found = store.get(keys.OWNER_KEY)
    return _loads(found) if found else None


def refuse_if_fenced(store: Store, key: str, epoch: int) -> None:
    """Raise Fenced, for a write to `key`, if a newer epoch than the given one owns the bucket."""
    current = read_owner(store)
    if current is not None and current.epoch > epoch:
        raise Fenced(key, epoch=epoch, newer_epoch=current.epoch)


def _raise_epoch(store: Store, key: str, epoch: int) -> None:
    while found := store.get(key):
        try:
            held = manifest.loads(found.data, key)
        except DamagedManifest as damage:
            _log.warning("left as it is, no writer can publish over it: %s", damage)
            return
        if held.epoch >= epoch:
            return
        try:
            store.put_if(key, manifest.dumps(replace(held, epoch=epoch)), found.etag)
        except PreconditionFailed:
            continue


def _newest_epoch(store: Store) -> int:
    """Give the newest epoch of any manifest, 0 without any: a lost owner must not set it back."""
    newest = 0
    for key in _manifest_keys(store):
        if found := store.get(key):
            try:
                newest = max(newest, manifest.loads(found.data, key).epoch)
            except DamagedManifest as damage:
                _log.warning("its epoch is not counted: %s", damage)
    return newest


def _manifest_keys(store: Store) -> list[str]:
    return [info.key for info in store.list(keys.COEFFICIENTS) if keys.is_manifest_key(info.key)]


def _dumps(owner: Owner) -> bytes:
    return to_text({"owner_id": owner.owner_id, "epoch": owner.epoch}, format_version=FORMAT_VERSION)


def _loads(found: Object) -> Owner:
    document = Document.parse(found.data, keys.OWNER_KEY, DamagedOwner, format_version=FORMAT_VERSION)
    return Owner(document.text("owner_id"), document.integer("epoch", minimum=1))
