"""What the terminal shows while the app runs: rewards between chance and the best, and what was trained."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jobs.demo_kafka.app import Outcome
from jobs.demo_kafka.rewards import Means, bins_of, last
from lambda_learner.publish.models import UUID_LENGTH

__all__ = ["Board", "Screen", "lines", "rows", "spark", "title", "trainings_of", "trainings_text"]

BIN_S: Final = 8.0  # of the small picture
LINES_EVERY_S: Final = 15.0  # where there is no terminal
_LEVELS: Final = "▁▂▃▄▅▆▇█"
KINDS: Final = {False: "regulars · own coefficients", True: "new people · latest model"}


class Board(NamedTuple):
    """All that is shown at a time."""

    now_s: float
    limit_s: float
    outcomes: Sequence[Outcome]
    trainings: Sequence[dict[str, Any]]


def title(board: Board) -> str:
    """How far it is."""
    time = f"{_clock(board.now_s)} of at most {_clock(board.limit_s)}"
    rewards = sum(row.reward for row in board.outcomes)
    return f"{time} · {len(board.outcomes):,} decisions · {rewards:,.0f} rewards"


def rows(board: Board) -> list[tuple[str, str, str, str, str]]:
    """For each kind of people: chance, the mean reward of late, the best possible, and a small picture."""
    bins = bins_of(board.outcomes, BIN_S)
    found = []
    for is_new, name in KINDS.items():
        means = last(board.outcomes, is_new=is_new)
        if means is not None:
            curve = [each.new if is_new else each.regulars for each in bins]
            chance, now, best = (f"{value:.2f}" for value in (means.by_chance, means.reward, means.best))
            found.append((name, chance, now, best, spark(curve, means)))
    return found


def spark(curve: Iterable[Means | None], means: Means) -> str:
    """A mark for each bin: the lowest half the reward of chance or less, the highest the best possible."""
    low = means.by_chance / 2
    height = means.best - low
    shares = ((each.reward - low) / height if each else 0.0 for each in curve)
    return "".join(_LEVELS[min(max(int(share * len(_LEVELS)), 0), len(_LEVELS) - 1)] for share in shares)


def trainings_of(output: Path) -> list[dict[str, Any]]:
    """What the retrain worker has told of so far, a JSON line each; the last may not be whole yet."""
    lines = output.read_text().splitlines(keepends=True) if output.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def trainings_text(trainings: Sequence[dict[str, Any]]) -> str:
    """How many trainings there were, and what came of them."""
    if not trainings:
        return "no training yet"
    published = [each["stem"] for each in trainings if each["stem"]]
    newest = f", the newest {published[-1][: -UUID_LENGTH - 1]}" if published else ""
    return f"{len(published)} of {len(trainings)} trainings passed the gate{newest}"


class Screen:
    """On a terminal a board that is drawn anew each second, else some lines now and then."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._next_line_s = 0.0

    def say(self, what: str) -> None:
        """A step of the demo."""
        self._console.print(f"==> {what}", markup=False, highlight=False, soft_wrap=True)

    def show(self, board: Board) -> None:
        """The board of now."""
        if self._console.is_terminal:
            if not self._live.is_started:
                self._live.start()
            self._live.update(drawn(board), refresh=True)
        elif board.now_s >= self._next_line_s:
            self._next_line_s = board.now_s + LINES_EVERY_S
            sys.stderr.write("".join(f"{line}\n" for line in lines(board)))
            sys.stderr.flush()

    def freeze(self) -> None:
        """Leave the last board where it stands; what is said next comes below."""
        if self._live.is_started:
            self._live.transient = False
            self._live.stop()


def drawn(board: Board) -> RenderableType:
    """The board for a terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("mean reward, last 30 s", "chance", "now", "best", "over time"):
        table.add_column(name, no_wrap=True, style="bold" if name == "now" else None)
    for row in rows(board):
        table.add_row(*row)
    return Group(Text(title(board)), table, Text(trainings_text(board.trainings), style="dim"))


def lines(board: Board) -> list[str]:
    """The board in words."""
    found = (f"{who}: chance {chance}, now {now}, best {best} {curve}" for who, chance, now, best, curve in rows(board))
    return [title(board), *found, trainings_text(board.trainings)]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
