from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("base_memory_peak.py")
BOUND_BYTES = 32 << 20
BUFFERS_BYTES = 48 << 20  # Arrow's and XGBoost's own, whatever the size of the data


def grown_bytes(decisions: int, bound_bytes: int) -> int:
    command = [sys.executable, str(SCRIPT), str(decisions), str(bound_bytes)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_a_base_is_calibrated_within_the_memory_bound_and_takes_more_without() -> None:
    assert grown_bytes(62_000, BOUND_BYTES) < BOUND_BYTES + BUFFERS_BYTES
    assert grown_bytes(62_000, 1 << 40) > BOUND_BYTES + BUFFERS_BYTES
