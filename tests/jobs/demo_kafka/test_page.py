from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.demo_kafka.app import Outcome
from jobs.demo_kafka.page import TITLE, reward_picture, reward_tiles, summary_of, write_page

OUTCOMES = [
    Outcome(float(at), is_new, "chance" if at < 30 else "coefficients", float(at >= 30), 0.3, 0.7)
    for at in range(90)
    for is_new in (False, True)
]
TRAININGS: list[dict[str, Any]] = [{"stem": "stories-1"}, {"stem": None}]


def test_the_page_begins_with_the_rewards_of_the_app(tmp_path: Path) -> None:
    page = write_page(
        tmp_path / "report.html",
        summary={"decisions": 180},
        scores=tmp_path / "scores.jsonl",
        outputs=tmp_path / "outputs",
        outcomes=OUTCOMES,
        trainings=TRAININGS,
    ).read_text()
    assert page.index(TITLE) < page.index("Progressive AUC")
    assert "180" in page
    assert "0.000 before any model, 0.700 at best" in page


def test_tiles_compare_the_reward_of_late_with_that_before_any_model() -> None:
    regulars, new, models = reward_tiles(OUTCOMES, TRAININGS)
    assert regulars.value == new.value == "1.000"
    assert (models.value, models.detail) == ("1", "of 2 trainings")


def test_tiles_of_a_demo_that_nobody_visited_have_no_numbers() -> None:
    assert [tile.value for tile in reward_tiles([], [])] == ["–", "–", "0"]


def test_the_picture_is_always_the_same() -> None:
    assert reward_picture(OUTCOMES, TRAININGS) == reward_picture(OUTCOMES, TRAININGS)
    assert "<svg" in reward_picture(OUTCOMES, TRAININGS).svg


def test_without_visits_there_is_a_sentence_in_its_place() -> None:
    assert reward_picture([], []).svg == ""


def test_the_summary_is_the_last_line(tmp_path: Path) -> None:
    output = tmp_path / "job.out"
    output.write_text(f"something else\n{json.dumps({'decisions': 3})}\n")
    assert summary_of(output) == {"decisions": 3}
