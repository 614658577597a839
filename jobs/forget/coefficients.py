"""Takes an entity out of what is published of a model, in each generation, at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lambda_learner.publish.generation import read_generation
from lambda_learner.publish.keys import COEFFICIENTS, is_manifest_key, shard_of
from lambda_learner.publish.owner import read_owner
from lambda_learner.publish.shard_writer import ShardWriter
from lambda_learner.publish.store import Store

__all__ = ["erase"]


class _Shard(NamedTuple):
    model: str
    generation: str
    shard: int


def erase(store: Store, model: str, entity: str) -> int:
    """Write the shards that hold an entity anew without it; how many there were.

    Their files of before go with the next garbage collection of the job, for a reader may be about to read them; in
    generations that nobody reads any more, at once. Beside a running job that is safe: it goes on from the manifest.
    """
    owner, live = read_owner(store), read_generation(store, model)
    if owner is None:
        return 0
    erased = 0
    for each in list(_shards(store, model)):
        is_live = live is not None and each.generation == live.generation.generation
        if live is not None and is_live and each.shard != shard_of(entity, live.generation.shards):
            continue
        replaced = ShardWriter(store, *each, owner.epoch).erase(entity)
        erased += bool(replaced)
        for key in () if is_live else replaced:
            store.delete(key)
    return erased


def _shards(store: Store, model: str) -> Iterator[_Shard]:
    for info in store.list(f"{COEFFICIENTS}{model}/"):
        if is_manifest_key(info.key):
            _, _, generation, shard, _ = info.key.split("/")
            yield _Shard(model, generation, int(shard))
