"""The coefficient bucket (DESIGN §5): what is written per window, how it stays consistent, how it is read."""

from lambda_learner.publish.coefficients import EntityCoefficients, Tombstone, Update
from lambda_learner.publish.errors import (
    BucketError,
    DamagedCoefficients,
    DamagedGeneration,
    DamagedManifest,
    DamagedObject,
    DamagedOwner,
    Fenced,
    NewerFormat,
    NotPublished,
    OwnedByAnother,
    PreconditionFailed,
    StoreError,
)
from lambda_learner.publish.generation import (
    Generation,
    fresh_generation_id,
    generation_id,
    publish_generation,
    read_generation,
)
from lambda_learner.publish.keys import shard_of
from lambda_learner.publish.manifest import FileEntry, Manifest, read_manifest
from lambda_learner.publish.owner import claim
from lambda_learner.publish.parquet_file import from_parquet, to_parquet
from lambda_learner.publish.reader import load_shard, read_shard
from lambda_learner.publish.shard_writer import Published, ShardWriter
from lambda_learner.publish.state import from_state, to_state
from lambda_learner.publish.store import FolderStore, Object, ObjectInfo, Store, open_store

__all__ = [
    "BucketError",
    "DamagedCoefficients",
    "DamagedGeneration",
    "DamagedManifest",
    "DamagedObject",
    "DamagedOwner",
    "EntityCoefficients",
    "Fenced",
    "FileEntry",
    "FolderStore",
    "Generation",
    "Manifest",
    "NewerFormat",
    "NotPublished",
    "Object",
    "ObjectInfo",
    "OwnedByAnother",
    "PreconditionFailed",
    "Published",
    "ShardWriter",
    "Store",
    "StoreError",
    "Tombstone",
    "Update",
    "claim",
    "fresh_generation_id",
    "from_parquet",
    "from_state",
    "generation_id",
    "load_shard",
    "open_store",
    "publish_generation",
    "read_generation",
    "read_manifest",
    "read_shard",
    "shard_of",
    "to_parquet",
    "to_state",
]
