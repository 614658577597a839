"""CPU time of a process and all that it starts, sampled from /proc while they live."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from typing import NamedTuple

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.1  # what a process uses after its last sample is not counted


class Ran(NamedTuple):
    """A finished command: its standard output, wall and CPU seconds of the whole tree, peak resident MiB."""

    output: str
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(slots=True)
class _Usage:
    ticks: dict[int, int] = field(default_factory=dict)  # by process id
    peak_pages: int = 0

    def sample(self, session: int) -> None:
        pages = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(fields[3]) == session:
                self.ticks[int(path.parent.name)] = int(fields[11]) + int(fields[12])
                pages += int(fields[21])
        self.peak_pages = max(self.peak_pages, pages)


def run_measured(command: Sequence[str]) -> Ran:
    """Run a command in a session of its own to its end; RuntimeError unless it exits with 0."""
    usage, start = _Usage(), time.monotonic()
    process = Popen(command, stdout=PIPE, text=True, start_new_session=True)
    while process.poll() is None:
        usage.sample(process.pid)
        time.sleep(SAMPLE_SECONDS)
    wall = time.monotonic() - start
    output = process.communicate()[0]
    if process.returncode != 0:
        message = f"{command[:4]} exited with {process.returncode}"
        raise RuntimeError(message)
    mib = usage.peak_pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return Ran(output, wall, sum(usage.ticks.values()) / TICKS_PER_SECOND, mib)
