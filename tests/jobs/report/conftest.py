"""Small runs to report on, written as the job writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from jobs.report import ReportInput
from jobs.summary import COUNTERS
from lambda_learner.events.ksuid import encode

START_S = 1_700_000_000


class WriteRun(Protocol):
    def __call__(
        self,
        *,
        scores: Iterable[Mapping[str, Any]] | None = None,
        published: Iterable[Mapping[str, Any]] = (),
        counts: Mapping[tuple[int, str, str], int] | None = None,
        summary: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> ReportInput: ...


def decision_id(second: int, number: int = 0) -> str:
    return encode(START_S + second, number.to_bytes(16, "big"))


def part(folder: Path, lines: Iterable[str], name: str = "part-a-0") -> None:
    hour = folder / "2023-11-14--22"
    hour.mkdir(parents=True, exist_ok=True)
    (hour / name).write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Writes the files of a run; what is not given is not there."""

    def write(
        *,
        scores: Iterable[Mapping[str, Any]] | None = None,
        published: Iterable[Mapping[str, Any]] = (),
        counts: Mapping[tuple[int, str, str], int] | None = None,
        summary: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> ReportInput:
        path = tmp_path / "scores.jsonl"
        if scores is not None:
            path.write_text("".join(json.dumps(row) + "\n" for row in scores))
        part(tmp_path / "outputs" / "published", map(json.dumps, published))
        rows = ("\x1f".join(map(str, (n, *key))) for key, n in (counts or {}).items())
        part(tmp_path / "outputs" / "counts", (f"+I[{row}]" for row in rows))
        whole = dict.fromkeys(COUNTERS, 0) if summary is None else summary
        values: dict[str, Any] = {"title": "A run", "settings": None} | settings
        scores_path = None if scores is None else path
        return ReportInput(summary=whole, scores=scores_path, outputs=tmp_path / "outputs", **values)

    return write


@pytest.fixture
def score_rows() -> Callable[..., list[dict[str, Any]]]:
    """Rows of a model whose scores tell positives from negatives somewhat, one a second."""

    def rows(count: int, *, model: str = "films", seed: int = 0) -> list[dict[str, Any]]:
        rng = np.random.default_rng(seed)
        labels = np.where(rng.random(count) < 0.5, 1.0, -1.0)
        scores = rng.normal(labels)
        return [
            {
                "model": model,
                "entity": "[1]",
                "decision_id": decision_id(i),
                "label": label,
                "base": 0.0,
                "score": s,
                "served": s / 2 if i % 2 else -s / 4,
            }
            for i, (label, s) in enumerate(zip(labels.tolist(), scores.tolist(), strict=True))
        ]

    return rows
