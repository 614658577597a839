"""Warm start: a key without state begins from the coefficients that were published before this job began.

The files are pinned when the job is first started, and a restart uses the same ones: a file that this very job wrote
after its checkpoint must not be taken for history, or its windows would be skipped without being counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lambda_learner.learn.state import EntityState
from lambda_learner.policy import ModelPolicy
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.keys import shard_of
from lambda_learner.publish.manifest import FileEntry
from lambda_learner.publish.reader import read_shard
from lambda_learner.publish.state import to_state
from lambda_learner.publish.store import open_store

ShardKey = tuple[str, str, int]  # model, generation, shard


@dataclass(slots=True)
class WarmStart:
    """The pinned files of each shard, read when the first key of the shard asks."""

    bucket: str
    pinned: Mapping[ShardKey, Sequence[FileEntry]] = field(default_factory=dict)
    _read: dict[ShardKey, Mapping[str, EntityCoefficients]] = field(default_factory=dict)

    def state(self, model: str, entity: str, policy: ModelPolicy) -> EntityState | None:
        """The published state of an entity, or None."""
        key = model, policy.generation, shard_of(entity, policy.shards)
        if key not in self.pinned:
            return None
        if key not in self._read:
            self._read[key] = read_shard(open_store(self.bucket), *key, files=self.pinned[key])
        coefficients = self._read[key].get(entity)
        return None if coefficients is None else to_state(coefficients, generation=policy.generation)
