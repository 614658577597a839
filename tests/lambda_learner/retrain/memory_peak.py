"""Trains on wide rows under a memory bound and prints what it took: python memory_peak.py DECISIONS BOUND_BYTES.

A process of its own, for the peak of a process never goes down. The rows are made as they are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from lambda_learner.retrain import Trained, TrainingSettings, train
from lambda_learner.retrain.spool import Spool
from tests.harness.archived_rows import SCHEMA, id_at
from tests.harness.training import NOW

WIDTH = 60  # numbers in an item
TABLE_ROWS = 1000


def tables(decisions: int) -> Iterator[pa.Table]:
    """Tables of items that are all different."""
    rng = np.random.default_rng(0)
    for first in range(0, decisions, TABLE_ROWS):
        numbers = rng.random((2, TABLE_ROWS, WIDTH)).round(6).tolist()
        items, samples = ([orjson.dumps(row).decode() for row in side] for side in numbers)
        rewards = ['{"a":1.0}' if row[0] > 0.5 else "{}" for row in numbers[0]]
        ids = [id_at(first + place) for place in range(TABLE_ROWS)]
        sums = [float(text != "{}") for text in rewards]
        columns = [ids, items, ["null"] * TABLE_ROWS, [3.0] * TABLE_ROWS, samples, rewards, sums]
        arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
        yield pa.table(arrays, SCHEMA)


def peak_bytes() -> int:
    """The most memory that this program has had; `ru_maxrss` would count what its parent had before the exec."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def run(decisions: int, bound_bytes: int) -> Trained:
    """Train under the bound."""
    settings = TrainingSettings(max_trees=3, max_features=100, max_memory_bytes=bound_bytes, threads=1)
    return train(tables(decisions), settings, model="wide", request_id="r", now=NOW)


if __name__ == "__main__":
    decisions, bound_bytes = int(sys.argv[1]), int(sys.argv[2])
    spooled: list[int] = []
    append = Spool.append

    def noted(spool: Spool, arrays: Sequence[npt.NDArray[Any]]) -> None:
        spooled.append(sum(part.nbytes for part in arrays))
        append(spool, arrays)

    Spool.append = noted  # type: ignore[method-assign, assignment]
    run(TABLE_ROWS, bound_bytes)  # libraries, buffers and the rows of one table
    before = peak_bytes()
    spooled.clear()
    run(decisions, bound_bytes)
    print(orjson.dumps({"data_bytes": sum(spooled), "grown_bytes": peak_bytes() - before}).decode())
