"""What cannot be used goes to `unrecoverable/`, with its reason: whole files by copy, bad rows as rows.

Each key follows from that of the file, so who sets the same aside again writes the same object.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from lambda_learner.archive.parquet_file import to_parquet
from lambda_learner.publish.store import Store

__all__ = ["BAD_ROWS", "UNRECOVERABLE", "set_aside_file", "set_aside_rows"]

UNRECOVERABLE: Final = "unrecoverable/"
BAD_ROWS: Final = "-bad-rows.parquet"


def set_aside_file(store: Store, key: str, reason: str) -> None:
    """Copy an unreadable file to `unrecoverable/{key}`, the reason beside it, then delete it."""
    found = store.get(key)
    if found is not None:
        store.put(f"{UNRECOVERABLE}{key}.reason.txt", reason.encode() + b"\n")
        store.put(UNRECOVERABLE + key, found.data)
        store.delete(key)


def set_aside_rows(store: Store, key: str, bad: pa.Table) -> None:
    """Keep the bad rows of a file as `unrecoverable/{stem}-bad-rows.parquet`, their reasons in a column."""
    if bad.num_rows:
        store.put(UNRECOVERABLE + key.removesuffix(".parquet") + BAD_ROWS, to_parquet(bad))
