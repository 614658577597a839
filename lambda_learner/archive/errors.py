"""What can go wrong in the archive, and what to do about it.

BucketError
├── DamagedObject
│   └── DamagedPartition    a file of the archive cannot be read as rows
└── ArchiveChanging         files vanish faster than a reader can list them
"""

from __future__ import annotations

from lambda_learner.publish.errors import BucketError, DamagedObject

__all__ = ["ArchiveChanging", "DamagedPartition"]


class DamagedPartition(DamagedObject):
    """A file of the archive cannot be read as rows."""

    remedy = "restore it from a copy, or let compaction set it aside under unrecoverable/"


class ArchiveChanging(BucketError):
    """Each listing of a model's archive named a file that was gone when it was read."""

    def __init__(self, model: str, listings: int) -> None:
        """Name the model and how often it was listed."""
        super().__init__(
            f"the archive of model {model!r} changed during {listings} listings in a row: "
            "wait until compaction has ended, then read again"
        )
        self.model = model
