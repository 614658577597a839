"""A data set some times the memory bound is trained on within it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("memory_peak.py")
BOUND_BYTES = 32 << 20
BUFFERS_BYTES = 48 << 20  # Arrow's and XGBoost's own, whatever the size of the data


def peak(decisions: int, bound_bytes: int) -> dict[str, int]:
    command = [sys.executable, str(SCRIPT), str(decisions), str(bound_bytes)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_a_data_set_four_times_the_bound_is_trained_on_within_it() -> None:
    found = peak(62_000, BOUND_BYTES)
    assert found["data_bytes"] > 4 * BOUND_BYTES
    assert found["grown_bytes"] < BOUND_BYTES + BUFFERS_BYTES


@pytest.mark.slow
def test_without_the_bound_the_same_data_take_more() -> None:
    assert peak(62_000, 1 << 40)["grown_bytes"] > 4 * BOUND_BYTES
