"""That numba is imported wherever the job runs; what it compiles: `test_update_many.py`."""

from __future__ import annotations

import subprocess
import sys

import pytest

# As `pyflink.fn_execution.beam.beam_sdk_worker_main` does it.
WORKER = """
import builtins

class CustomPrint:
    def __init__(self, before):
        self._before = before
    def print(self, *args, **options):
        self._before(*args, **options)

builtins.print = CustomPrint(print).print
from lambda_learner.learn.many.compiled import IS_COMPILED
print(IS_COMPILED)
"""


def test_a_process_whose_print_is_another_compiles_too() -> None:
    pytest.importorskip("numba")
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
