from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from jobs.retrain.display import LINE_EVERY_MS, Bars, Lines, display


class Clock:
    ms = 0

    def __call__(self) -> int:
        return self.ms


def test_without_a_terminal_each_stage_ends_with_a_line() -> None:
    stream = io.StringIO()
    with display(Clock(), stream) as show:
        for stage, total in (("read", None), ("trees", 3)):
            for done in range(1, 4):
                show(stage, done, total)
    assert stream.getvalue().splitlines() == ["read 3", "trees 3 of 3"]


def test_a_long_stage_tells_in_between() -> None:
    lines: list[str] = []
    clock = Clock()
    show = Lines(lines.append, clock)
    for done in range(1, 6):
        clock.ms += LINE_EVERY_MS // 2
        show("trees", done * 1000, 5000)
    assert lines == ["trees 2,000 of 5,000", "trees 4,000 of 5,000"]


def test_a_display_in_which_a_training_fails_tells_how_far_it_was() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError), display(Clock(), stream) as show:
        show("read", 7, None)
        raise RuntimeError
    assert stream.getvalue() == "read 7\n"


def test_on_a_terminal_each_stage_has_a_bar() -> None:
    progress = Progress(console=Console(file=io.StringIO()), auto_refresh=False)
    bars = Bars(progress)
    bars("read", 2, None)
    bars("trees", 1, 4)
    bars("trees", 2, 4)
    shown = [(task.description, task.completed, task.total) for task in progress.tasks]
    assert shown == [("read", 2, 2), ("trees", 2, 4)]
    bars.end()
    assert all(task.finished for task in progress.tasks)
