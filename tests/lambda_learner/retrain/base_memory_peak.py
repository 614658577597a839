"""Calibrates a base on wide rows under a memory bound: python base_memory_peak.py DECISIONS BOUND_BYTES.

Prints by how much the peak of the process has grown. The training itself is `train`, which memory_peak.py measures.
"""

from __future__ import annotations

import sys

from lambda_learner.retrain import TrainingSettings
from lambda_learner.retrain.base import train_base
from tests.harness.training import NOW
from tests.lambda_learner.retrain.memory_peak import TABLE_ROWS, peak_bytes, tables


def run(calibrated: int, bound_bytes: int) -> None:
    """Train on one table, calibrate on many."""
    settings = TrainingSettings(max_trees=3, max_features=100, max_memory_bytes=bound_bytes, threads=1)
    base = train_base(
        tables(TABLE_ROWS),
        tables(calibrated),
        settings,
        model="wide",
        version="r",
        kind="logistic",
        entity_paths=(),
        now=NOW,
    )
    assert base.calibrated_on == calibrated


if __name__ == "__main__":
    decisions, bound_bytes = int(sys.argv[1]), int(sys.argv[2])
    run(TABLE_ROWS, bound_bytes)  # libraries, buffers and the rows of one table
    before = peak_bytes()
    run(decisions, bound_bytes)
    print(peak_bytes() - before)
