"""The progress of a training: a bar a stage on a terminal, else a line when a stage has ended or has taken a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["Bars", "Display", "Lines", "display", "nowhere"]

LINE_EVERY_MS: Final = 10_000
Display = Callable[[str, int, int | None], None]  # a stage, what is done of it, and of how much (None: not known)


def nowhere(_stage: str, _done: int, _total: int | None) -> None:
    """Shows nothing."""


class Bars:
    """A bar for each stage of one training."""

    def __init__(self, progress: Progress) -> None:
        """Take a progress that is shown."""
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Move the stage's bar; a new stage begins a new one."""
        if stage not in self._tasks:
            self.end()
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)

    def end(self) -> None:
        """Fill the last bar: how much there was to do is known only now, or trees were enough before."""
        for task in self._progress.tasks[-1:]:
            self._progress.update(task.id, total=max(task.completed, 1), completed=max(task.completed, 1))


class Lines:
    """Lines such as `movies: training: read 52,000`."""

    def __init__(self, write: Callable[[str], None], now_ms: Callable[[], int]) -> None:
        """Take where lines go and the clock."""
        self._write, self._now_ms = write, now_ms
        self._stage, self._line = "", ""
        self._written_ms = now_ms()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Note how far the stage is."""
        if stage != self._stage:
            self.flush()
        self._stage = stage
        self._line = f"{stage} {done:,}" + (f" of {total:,}" if total else "")
        if self._now_ms() - self._written_ms >= LINE_EVERY_MS:
            self.flush()

    def flush(self) -> None:
        """Write what was noted last."""
        if self._line:
            self._write(self._line)
            self._line, self._written_ms = "", self._now_ms()


@contextmanager
def display(now_ms: Callable[[], int], stream: TextIO | None = None) -> Iterator[Display]:
    """The display of one training on stderr, or on another stream."""
    console = Console(file=stream, stderr=stream is None)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,}"))
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            bars = Bars(progress)
            yield bars
            bars.end()
        return
    lines = Lines(lambda line: print(line, file=stream or sys.stderr, flush=True), now_ms)
    try:
        yield lines
    finally:
        lines.flush()
