"""A partition as sound rows; what is not is told apart, and never stops the rest."""

from __future__ import annotations

from lambda_learner.archive.check import Checked, check
from lambda_learner.archive.parquet_file import from_parquet
from lambda_learner.publish.store import Store

__all__ = ["load"]


def load(store: Store, key: str, *, latest_id: str) -> Checked | None:
    """The rows of a file, sound and bad; None if it is gone, DamagedPartition if it cannot be read."""
    found = store.get(key)
    return None if found is None else check(from_parquet(found.data, key), latest_id=latest_id)
