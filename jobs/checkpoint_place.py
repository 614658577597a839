"""Where Flink keeps the checkpoints of a job: {directory}/{id of the Flink job}/chk-{number}/, in a folder or in S3.

What a folder and S3 do differently is in the store; all that is known about checkpoints is here, once for both.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from lambda_learner.publish.s3_address import parse_address
from lambda_learner.publish.store import FolderStore, Store

__all__ = ["Checkpoint", "Place", "folder_place", "newest_first", "place_of", "s3_place"]

# _metadata is written last: a checkpoint without it was cut short.
_COMPLETE: Final = re.compile(r"([^/]+/chk-(\d+))/_metadata")


class Checkpoint(NamedTuple):
    """A complete checkpoint: when it was, its number in its attempt, and its name as Flink takes it."""

    modified_ms: int
    number: int  # S3 tells whole seconds only
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """A directory of checkpoints. An attempt is what one start of the job keeps there: each has a folder of its own.

    `remove_all_but` removes all attempts but those that it is given.
    """

    directory: str  # as Flink names it: file:///… or s3://…
    store: Store
    remove_all_but: Callable[[Collection[str]], None]

    def checkpoints(self) -> list[Checkpoint]:
        """The complete ones, in no order."""
        found = ((info.modified_ms, _COMPLETE.fullmatch(info.key)) for info in self.store.list(""))
        return [Checkpoint(ms, int(match[2]), f"{self.directory}/{match[1]}") for ms, match in found if match]

    def keep_only(self, names: Collection[str]) -> None:
        """Remove all attempts without any of these checkpoints."""
        held = [self.key(name) for name in names if self.holds(name)]
        self.remove_all_but({key.partition("/")[0] for key in held})

    def holds(self, name: str) -> bool:
        """Whether a name is of here."""
        return name.startswith(f"{self.directory}/")

    def key(self, name: str) -> str:
        """What the store calls a name of here."""
        return name.removeprefix(f"{self.directory}/")

    def key_of_path(self, path: str) -> str:
        """What the store calls a path of here, which is a name without scheme and bucket."""
        _, _, rest = self.directory.partition("://")
        return path.removeprefix(f"{rest[rest.index('/') :]}/")

    def files(self) -> dict[str, int]:
        """The size in bytes of each file, by key."""
        return {info.key: info.size for info in self.store.list("")}

    def read(self, key: str) -> bytes | None:
        """The content of a file; None if there is none."""
        held = self.store.get(key)
        return None if held is None else held.data


def folder_place(folder: Path) -> Place:
    """A folder of this machine."""
    folder = folder.resolve()

    def remove_all_but(kept: Collection[str]) -> None:
        for attempt in folder.glob("*"):
            if attempt.name not in kept:
                shutil.rmtree(attempt, ignore_errors=True)

    # Not as_uri(): Flink takes what follows file:// as it is, so %20 would be a folder of that name.
    return Place(f"file://{folder}", FolderStore(folder), remove_all_but)


def s3_place(url: str, owner_id: str) -> Place:
    """What one job has under an address of S3: another that is given the same address neither sees nor removes it."""
    from lambda_learner.publish.s3_store import S3Store  # noqa: PLC0415 - takes boto3 0.2 s

    address = parse_address(url)
    address = address._replace(prefix="/".join(filter(None, (address.prefix, owner_id))))
    store = S3Store(address)
    return Place(address.place, store, store.remove_folders_but)


def newest_first(places: Sequence[Place]) -> list[str]:
    """The names of the complete checkpoints of some places."""
    return [each.name for each in sorted((each for place in places for each in place.checkpoints()), reverse=True)]


def place_of(name: str, places: Sequence[Place]) -> Place:
    """The one of these places that a checkpoint is at."""
    return next(place for place in places if place.holds(name))
