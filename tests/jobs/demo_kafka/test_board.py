from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from jobs.demo_kafka.app import Outcome
from jobs.demo_kafka.board import Board, drawn, lines, rows, spark, title, trainings_of, trainings_text
from jobs.demo_kafka.rewards import Means

UUID = "33cf8d4c-5a80-55b1-b59d-f25ee74bfd2f"
TRAININGS: list[dict[str, Any]] = [{"stem": stem} for stem in (None, f"stories-1-{UUID}", f"stories-2-{UUID}")]


def board(until_s: int = 40) -> Board:
    """One reward for each regular, none for new people."""
    pairs = (
        (Outcome(at, False, "coefficients", 1.0, 0.2, 0.6), Outcome(at, True, "model", 0.0, 0.2, 0.6))
        for at in range(until_s)
    )
    return Board(float(until_s), 210.0, [row for pair in pairs for row in pair], TRAININGS)


def test_the_title_says_how_far_it_is() -> None:
    assert title(board()) == "0:40 of at most 3:30 · 80 decisions · 40 rewards"


def test_a_row_has_chance_the_reward_of_late_and_the_best() -> None:
    regulars, new = rows(board())
    assert regulars == ("regulars · own coefficients", "0.20", "1.00", "0.60", "████")
    assert new == ("new people · latest model", "0.20", "0.00", "0.60", "▁▁▁▁")


def test_nobody_has_no_row() -> None:
    assert rows(Board(0.0, 210.0, [], [])) == []


def test_a_mark_lies_between_half_of_chance_and_the_best() -> None:
    means = Means(1, 0.5, 0.2, 0.9)
    curve = [means._replace(reward=reward) for reward in (0.0, 0.1, 0.5, 0.89, 0.9, 1.0)]
    assert spark([*curve, None], means) == "▁▁▅███▁"


def test_trainings_are_read_line_by_line_as_far_as_they_are_whole(tmp_path: Path) -> None:
    output = tmp_path / "retrain.out"
    assert trainings_of(output) == []
    output.write_text('{"stem": "a"}\n{"stem": nu')
    assert trainings_of(output) == [{"stem": "a"}]


def test_trainings_in_words() -> None:
    assert trainings_text(TRAININGS) == "2 of 3 trainings passed the gate, the newest stories-2"
    assert trainings_text([]) == "no training yet"


def test_without_a_terminal_the_board_is_lines() -> None:
    assert lines(board())[1:3] == [
        "regulars · own coefficients: chance 0.20, now 1.00, best 0.60 ████",
        "new people · latest model: chance 0.20, now 0.00, best 0.60 ▁▁▁▁",
    ]


def test_the_board_fits_a_terminal_of_80_columns() -> None:
    shown = io.StringIO()
    Console(file=shown, width=80).print(drawn(board(200)))
    lines = shown.getvalue().splitlines()
    assert len(lines) == 5
    assert "█" * 24 in lines[2]
