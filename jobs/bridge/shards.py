"""The shards of a stream as it is split and merged: which may be read, where each begins, whether records are lost.

A shard is read when all that its parents had is copied, so the records of a key keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobs.bridge.errors import RecordsGone
from jobs.bridge.positions import Position

__all__ = ["GRACE_MS", "Shard", "begin", "forgettable", "gone", "lost", "may_be_read", "too_old"]

# A first run reads at the very edge of what is kept, while the service deletes there; a minute is no sign of a loss.
GRACE_MS: Final = 60_000
WHAT_TO_DO: Final = (
    "Have the stream keep records for longer than the bridge is ever away. To go on without them, with the oldest that "
    "are there: lambda-learner bridge --skip-deleted"
)


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard: its id, its first sequence number, and the ids of the shards that it was made of."""

    id: str
    first: str
    parents: tuple[str, ...] = ()

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> Shard:
        """From an answer of list_shards."""
        parents = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
        first = listed["SequenceNumberRange"]["StartingSequenceNumber"]
        return cls(listed["ShardId"], first, tuple(each for each in parents if each))


def may_be_read(shards: Mapping[str, Shard], positions: Mapping[str, Position]) -> list[Shard]:
    """The shards that are not finished, but whose parents are, as far as these are still listed."""
    done = {name for name, position in positions.items() if position.finished}
    waiting = shards.keys() - done
    return [shard for name, shard in shards.items() if name not in done and not waiting & set(shard.parents)]


def begin(shard: Shard, positions: Mapping[str, Position]) -> Position:
    """The position of a shard that has none: its beginning, which is not before the ends of its parents."""
    ends = [positions[name].read_until_ms for name in shard.parents if name in positions]
    known = [end for end in ends if end is not None]
    return Position(shard.first, read_until_ms=min(known, default=None))


def lost(shards: Mapping[str, Shard], positions: Mapping[str, Position]) -> dict[str, str]:
    """The shards that are listed no more before their ends, or are others of the same names; of each, what happened."""
    found = {}
    for name, position in positions.items():
        shard = shards.get(name)
        if shard is None and not position.finished:
            found[name] = f"shard {name} was copied to {position}, and is no longer kept"
        elif shard is not None and shard.first != position.shard_from:
            found[name] = (
                f"shard {name} was copied to {position}, but the stream of that name was made anew since (the shard "
                f"begins at {shard.first}, not at {position.shard_from})"
            )
    return found


def too_old(shard: str, position: Position, now_ms: int, retention_ms: int) -> str | None:
    """What happened when records that follow the position may be older than what the stream keeps."""
    until_ms = position.read_until_ms
    if until_ms is None or now_ms - until_ms <= retention_ms + GRACE_MS:
        return None
    return (
        f"shard {shard} was copied to {position}, {(now_ms - until_ms) / 3_600_000:.1f} h ago, and the stream keeps "
        f"records for {retention_ms / 3_600_000:.1f} h: some may be deleted"
    )


def gone(what: str) -> RecordsGone:
    """The error of what happened, with what to do."""
    return RecordsGone(f"{what}. {WHAT_TO_DO}")


def forgettable(
    shards: Mapping[str, Shard], positions: Mapping[str, Position], now_ms: int, retention_ms: int
) -> list[str]:
    """The shards that are copied to their ends and long listed no more."""
    oldest_ms = now_ms - 2 * retention_ms
    return [name for name, each in positions.items() if name not in shards and (each.read_until_ms or 0) < oldest_ms]
