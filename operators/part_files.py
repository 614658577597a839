"""Reads what the file sinks have written: part files that a checkpoint has committed, and those still open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def part_lines(folder: Path, *, with_open: bool = False, until_ns: int | None = None) -> Iterator[str]:
    """The lines of the part files below a folder; with `until_ns`, of those that were written by then.

    `with_open` adds the parts not committed yet, for a job that runs or was interrupted: after a failure such a part
    may hold lines that are written again, so its reader must not mind a line twice.
    """
    paths = [*folder.rglob("part-*"), *(folder.rglob(".part-*.inprogress.*") if with_open else ())]
    for path in sorted(paths):
        if until_ns is not None and path.stat().st_mtime_ns > until_ns:
            continue
        with path.open("rb") as file:  # an open part may end within a character: only whole lines are decoded
            yield from (line[:-1].decode() for line in file if line.endswith(b"\n"))


def row_text(line: str) -> str:
    """The text in a line that a row of one column was written as: `+I[text]`, `+U[text]`."""
    return line[3:-1]
