"""Which objects of a shard may be deleted: none that a reader may still have been told of (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from lambda_learner.publish.store import ObjectInfo

__all__ = ["Garbage", "sort_garbage"]


class Garbage(NamedTuple):
    """The keys to delete now, and since when each of the others is known not to be live."""

    due: tuple[str, ...]
    unused_since_ms: dict[str, int]


def sort_garbage(  # noqa: PLR0913 - a pure rule over all that the shell has found out
    files: Iterable[ObjectInfo],
    keep: Collection[str],
    *,
    unused_since_ms: Mapping[str, int],
    manifest_modified_ms: int,
    now_ms: int,
    grace_ms: int,
) -> Garbage:
    """Tell the files that are due from those that must wait; `keep` are the live and the pinned keys.

    A file is due when it is itself older than the grace period (a younger one may be about to be committed)
    and was seen unused that long ago, or the manifest that leaves it out is that old. Nothing else tells when
    a file left the manifest: the manifest has no clock in it, and a file's own age is that of its writing.
    """
    due: list[str] = []
    waiting: dict[str, int] = {}
    for info in files:
        if info.key in keep:
            continue
        since_ms = min(unused_since_ms.get(info.key, now_ms), manifest_modified_ms)
        if max(since_ms, info.modified_ms) <= now_ms - grace_ms:
            due.append(info.key)
        else:
            waiting[info.key] = unused_since_ms.get(info.key, now_ms)
    return Garbage(tuple(due), waiting)
