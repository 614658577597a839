"""A real worker that kills itself with SIGKILL when it has come to a stage.

python -m tests.harness.killed_worker FOLDER STAGE TRAINING, the folder being a shop's, and its section as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from jobs.retrain.order import Buckets
from jobs.retrain.worker import Worker
from lambda_learner.publish.store import FolderStore
from tests.harness.retraining import Shop

# Where a write to the bucket ends a stage, by the beginning of its key and its end.
WRITES = {
    "claimed": ("retrain/open/", ".json"),
    "compacting": ("rewarded_decisions/", ".parquet"),
    "model archived": ("models/archive/", ".xgb.gz"),
    "lineage archived": ("models/archive/", ".json"),
    "in the history": ("models/history/", ".json"),
    "latest copied": ("models/latest/", ".xgb.gz"),
    "base put": ("models/base/", ".xgb.gz"),
    "base activated": ("models/base/", ".json"),
    "finished": ("retrain/finished/", ".json"),
}
SHOWN = ("gate: decision", "training: read", "training: decision")
STAGES = (*WRITES, *SHOWN)


def die() -> None:
    """What kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyStore(FolderStore):
    """A store whose user dies after its first write of a stage."""

    def __init__(self, root: Path, stage: str) -> None:
        super().__init__(root)
        self._start, self._end = WRITES.get(stage, ("-", "-"))

    def put(self, key: str, data: bytes) -> None:
        super().put(key, data)
        self._look(key)

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        written = super().put_if(key, data, etag)
        self._look(key)
        return written

    def _look(self, key: str) -> None:
        if key.startswith(self._start) and key.endswith(self._end):
            die()


def main(folder: Path, stage: str, training: str) -> None:
    """Work on what was asked for, as long as it lives."""

    def show(shown: str, _done: int, _total: int | None) -> None:
        if shown == stage:
            die()

    buckets = Buckets(DeadlyStore(folder / "train", stage), DeadlyStore(folder / "models", stage))
    around = Shop(folder, json.loads(training)).around(buckets=buckets, display=lambda: nullcontext(show))
    Worker("killed", around).run_all()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
