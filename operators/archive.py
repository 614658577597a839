"""Archive stage: the decisions and rewards of some lines become files of the train bucket, before the job reads on.

State: none. It runs in the process that parses. A file is named by its content and is durable before anything else
comes of its lines, so whatever a checkpoint has seen is in the archive, and lines that are read again after a failure
write the same file again. A source that cuts them otherwise then writes rows twice, which every reader merges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeAlias

from lambda_learner.archive.merge import merge
from lambda_learner.archive.partition import partition_file
from lambda_learner.archive.rows import ArchiveRow, decision_row, reward_row, table_of
from lambda_learner.events.schema import Decision, Reward
from lambda_learner.policy import Policies
from lambda_learner.publish.store import Store, open_store
from operators.forgotten import ForgottenEntities

__all__ = ["Archive", "Archived", "open_archive"]

Archived: TypeAlias = Decision | Reward


class Archive:
    """Writes events to a train bucket, one file a model and call; but nothing of those who are forgotten."""

    def __init__(self, store: Store, forgotten: ForgottenEntities | None = None) -> None:
        self._store, self._forgotten = store, forgotten

    def write(self, events: Iterable[Archived], *, forgets: bool = False) -> None:
        """Write the events; they are durable when this returns. Idempotent. StoreError when the bucket takes none.

        `forgets`: among their lines was one that has an entity forgotten.
        """
        if self._forgotten is not None:
            if forgets:
                self._forgotten.look_again()
            events = self._forgotten.without(events)
        models: defaultdict[str, list[ArchiveRow]] = defaultdict(list)
        for event in events:
            models[event.model].append(_row(event))
        for model, rows in models.items():
            file = partition_file(model, merge([table_of(rows)]))
            self._store.put(file.key, file.data)


def open_archive(bucket: str | None, policies: Policies) -> Archive | None:
    """The archive in a bucket; None without one."""
    if bucket is None:
        return None
    store = open_store(bucket)
    return Archive(store, ForgottenEntities(store, policies))


def _row(event: Archived) -> ArchiveRow:
    return decision_row(event) if isinstance(event, Decision) else reward_row(event)
