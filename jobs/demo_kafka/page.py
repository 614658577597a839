"""The report of the demo: the app's reward over time, above what the report of any live run has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from jobs.demo_kafka.app import Outcome
from jobs.demo_kafka.rewards import Bin, Means, bins_of, first, last, since
from jobs.report import ReportInput
from jobs.report.data import read_run
from jobs.report.drawing import ACCENT, INK, MUTED, SECOND, legend_above, metric_text, svg_of
from jobs.report.headline import Tile
from jobs.report.page import render
from jobs.report.picture import Picture
from jobs.report.section import build_section

__all__ = ["reward_picture", "reward_tiles", "summary_of", "write_page"]

BIN_S: Final = 10.0
TITLE: Final = "The reward of the app"
NOTE: Final = (
    "A simulated app on Kafka and S3: it posts decisions and rewards to the track endpoint, and ranks by what is "
    "published in the bucket. Whoever comes again is ranked by coefficients of their own, which the job learns from "
    "the stream; who is new by the newest model that the retrain worker has made of the archive."
)


def write_page(  # noqa: PLR0913 - what the page is of
    output: Path,
    *,
    summary: dict[str, Any],
    scores: Path,
    outputs: Path,
    outcomes: Sequence[Outcome],
    trainings: Sequence[dict[str, Any]],
) -> Path:
    """Write the report and give its path."""
    source = ReportInput("Live on Kafka and S3", summary, scores, outputs, note=NOTE, live=True)
    section = build_section(source, read_run(source), key="run0")
    tiles = (*reward_tiles(outcomes, trainings), *section.tiles)
    page = render([replace(section, tiles=tiles, pictures=(reward_picture(outcomes, trainings), *section.pictures))])
    output.write_text(page, encoding="utf-8")
    return output


def summary_of(output: Path) -> dict[str, Any]:
    """The summary that the job has printed when it ended: its last line."""
    found: dict[str, Any] = json.loads(output.read_text().splitlines()[-1])
    return found


def reward_tiles(outcomes: Sequence[Outcome], trainings: Sequence[dict[str, Any]]) -> tuple[Tile, ...]:
    """The reward of late of both kinds of people, and how many models were published."""
    published = sum(1 for each in trainings if each["stem"])
    return (
        _tile("Reward, regulars", outcomes, is_new=False),
        _tile("Reward, new people", outcomes, is_new=True),
        Tile("Models published", str(published), f"of {len(trainings)} trainings"),
    )


def _tile(label: str, outcomes: Sequence[Outcome], *, is_new: bool) -> Tile:
    late, early = last(outcomes, is_new=is_new), first(outcomes, is_new=is_new)
    before = f"{metric_text(early.reward if early else None)} before any model"
    best = f"{metric_text(late.best if late else None)} at best"
    return Tile(label, metric_text(late.reward if late else None), f"{before}, {best}")


def reward_picture(outcomes: Sequence[Outcome], trainings: Sequence[dict[str, Any]]) -> Picture:
    """The mean reward over time, between what chance and the best choice would bring."""
    bins = bins_of(outcomes, BIN_S)
    if not bins:
        return Picture(TITLE, "Nobody came: the demo was stopped before.")
    caption = (
        f"The mean reward of a decision, by {BIN_S:.0f} seconds. Solid: what came in; dotted: what was to be expected "
        "of a random and of the best choice; dashed: from then on there were coefficients for the regulars, and a "
        f"model for the new people. In all {len(outcomes):,} decisions and {len(trainings)} trainings."
    )
    return Picture(TITLE, caption, svg_of(lambda axes: _draw(axes, bins, outcomes), name="rewards", description=TITLE))


def _draw(axes: Axes, bins: Sequence[Bin], outcomes: Sequence[Outcome]) -> None:
    x = [each.from_s + BIN_S / 2 for each in bins]
    _draw_kind(axes, x, [each.regulars for each in bins], name="regulars", colour=ACCENT)
    _draw_kind(axes, x, [each.new for each in bins], name="new people", colour=SECOND)
    _draw_start(axes, since(outcomes, "coefficients"), ACCENT)
    _draw_start(axes, since(outcomes, "model"), SECOND)
    axes.plot([], [], color=MUTED, linestyle=":", label="chance; the best possible")
    axes.plot([], [], color=MUTED, linestyle="--", label="models are there")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("seconds since the first decision")
    axes.set_ylabel("mean reward", color=INK)
    legend_above(axes)


def _draw_kind(axes: Axes, x: Sequence[float], means: Sequence[Means | None], *, name: str, colour: str) -> None:
    axes.plot(x, _column(means, "reward"), color=colour, label=name)
    for bound in ("by_chance", "best"):
        axes.plot(x, _column(means, bound), color=colour, linestyle=":", linewidth=1.0, alpha=0.8)


def _draw_start(axes: Axes, at_s: float | None, colour: str) -> None:
    if at_s is not None:
        axes.axvline(at_s, color=colour, linewidth=1.0, linestyle="--", alpha=0.6)


def _column(means: Sequence[Means | None], name: str) -> list[float]:
    return [np.nan if each is None else float(getattr(each, name)) for each in means]
