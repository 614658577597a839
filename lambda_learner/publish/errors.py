"""What can go wrong in the bucket, and what to do about it.

BucketError
├── StoreError                a store cannot be opened, read or written
│   └── PreconditionFailed    compare-and-set: the object is not the one expected
├── DamagedObject             an object cannot be read back
│   ├── DamagedManifest
│   ├── DamagedCoefficients
│   ├── DamagedGeneration
│   └── DamagedOwner
├── NewerFormat               written by a newer release than this one
├── NotPublished              no generation.json yet
├── Fenced                    another job took the bucket over
└── OwnedByAnother            another job owns the bucket
"""

from __future__ import annotations

__all__ = [
    "BucketError",
    "DamagedCoefficients",
    "DamagedGeneration",
    "DamagedManifest",
    "DamagedObject",
    "DamagedOwner",
    "Fenced",
    "NewerFormat",
    "NotPublished",
    "OwnedByAnother",
    "PreconditionFailed",
    "StoreError",
]


class BucketError(Exception):
    """Any failure of the coefficient bucket."""


class StoreError(BucketError):
    """A store cannot be opened, read or written."""


class PreconditionFailed(StoreError):
    """The object under `key` is not the one that the compare-and-set expected."""

    def __init__(self, key: str) -> None:
        """Name the object that has changed."""
        super().__init__(f"{key} was changed by another writer: read it again, then write")
        self.key = key


class DamagedObject(BucketError):
    """The object under `key` cannot be read back; `reason` says how it shows."""

    remedy = "restore it from a copy"

    def __init__(self, key: str, reason: str) -> None:
        """Name the object, what is wrong with it and what to do."""
        super().__init__(f"{key} is damaged: {reason}; {self.remedy}")
        self.key = key
        self.reason = reason


class DamagedManifest(DamagedObject):
    """A shard's manifest.json cannot be read back."""

    remedy = "restore it from a copy, or start the job with --fresh to begin a new generation"


class DamagedCoefficients(DamagedObject):
    """A coefficient file is missing, or is not what its manifest says."""

    remedy = "restore it from a copy, or start the job with --fresh to begin a new generation"


class DamagedGeneration(DamagedObject):
    """A model's generation.json cannot be read back."""

    remedy = "restore it from a copy, or delete it and restart the job, which writes it anew"


class DamagedOwner(DamagedObject):
    """The bucket's owner cannot be read back."""

    remedy = "stop every job that writes this bucket, delete the object, and start one job again"


class NewerFormat(BucketError):
    """The object under `key` was written by a newer release than this one."""

    def __init__(self, key: str, version: int, supported: int) -> None:
        """Name the object, its format version and the newest one that can be read."""
        super().__init__(
            f"{key} has format version {version}, this release reads up to {supported}: "
            "upgrade this program to the release that wrote it"
        )
        self.key = key
        self.version = version


class NotPublished(BucketError):
    """Nothing was ever published for `model`."""

    def __init__(self, model: str, key: str) -> None:
        """Name the model and the object that was looked for."""
        super().__init__(
            f"model {model!r} has nothing published: no {key} in the bucket; "
            "check the model's name and the bucket, or start the job that publishes it"
        )
        self.model = model


class Fenced(BucketError):
    """A newer epoch owns the object under `key`: this writer must stop."""

    def __init__(self, key: str, *, epoch: int, newer_epoch: int) -> None:
        """Name the object, this writer's epoch and the epoch that fences it."""
        super().__init__(
            f"{key} belongs to epoch {newer_epoch}, this writer has epoch {epoch}: another job took the "
            "bucket over; stop this job, or start it with --take-over to take the bucket back"
        )
        self.key = key
        self.epoch = epoch
        self.newer_epoch = newer_epoch


class OwnedByAnother(BucketError):
    """Another job owns the bucket."""

    def __init__(self, *, owner_id: str, wanted_by: str) -> None:
        """Name the owner and who asked."""
        super().__init__(
            f"the bucket is owned by {owner_id!r}, not by {wanted_by!r}: stop that job and start this one "
            "with --take-over, or give this job a bucket of its own"
        )
        self.owner_id = owner_id
