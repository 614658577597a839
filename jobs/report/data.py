"""What a run has left behind, read as columns: scores, publications, counters by minute, late rows.

Nothing here fails because something is missing: no file gives no rows. A line that is not complete JSON (a run that
was killed while it wrote) is left out and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.summary import collect_lines
from lambda_learner.events.ksuid import is_valid, unix_seconds
from operators.counts import CountKey, read_sums

__all__ = ["Floats", "Publication", "ReportInput", "RunData", "Scores", "read_run"]

Floats = npt.NDArray[np.float64]
MS = 1_000


@dataclass(frozen=True, slots=True)
class ReportInput:
    """One section of the report: a run's summary, and the files that it wrote.

    `settings` are shown as they are, nested mappings by dotted keys. `note` is a sentence below the title. `live` says
    that events came as they happened: only then does the time since a window's close say how fresh coefficients are.
    """

    title: str
    summary: Mapping[str, Any]
    scores: Path | None
    outputs: Path
    settings: Mapping[str, Any] | None = None
    note: str = ""
    live: bool = False


class Scores(NamedTuple):
    """The scored examples of one model in order of decision_id; times are the ids', in ms."""

    time_ms: npt.NDArray[np.int64]
    label: Floats
    base: Floats
    score: Floats

    def last(self, number: int) -> Scores:
        """The newest of them."""
        start = max(len(self.label) - number, 0)
        return Scores(*(column[start:] for column in self))


class Publication(NamedTuple):
    """One delta that became readable: by a shard, at a wall clock time; `closes` has (window close, entities)."""

    published_at_ms: int
    waited_ms: float | None
    closes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RunData:
    """All that a section draws from. `scores` is by model, the one with most examples first."""

    scores: dict[str, Scores] = field(default_factory=dict)
    publications: tuple[Publication, ...] = ()
    counts: Mapping[CountKey, int] = field(default_factory=dict)
    late_rows: int = 0
    unreadable: int = 0


def read_run(source: ReportInput) -> RunData:
    """Read the files of a run; 100,000 scores take about a second."""
    unreadable: list[str] = []
    scores = read_scores(_file_lines(source.scores), unreadable)
    published = read_publications(collect_lines(source.outputs, "published"), unreadable)
    late = sum(1 for line in collect_lines(source.outputs, "late") if line)
    counts = read_sums(source.outputs / "counts")
    return RunData(scores, published, counts, late, len(unreadable))


def read_scores(lines: Iterable[str], unreadable: list[str]) -> dict[str, Scores]:
    """The columns of each model's rows; rows with a number that is not finite are left out."""
    columns: dict[str, tuple[list[int], list[float], list[float], list[float]]] = {}
    for row in _objects(lines, unreadable, {"model", "decision_id", "label", "base", "score"}):
        if not is_valid(str(row["decision_id"])):
            unreadable.append(str(row["decision_id"]))
            continue
        column = columns.setdefault(str(row["model"]), ([], [], [], []))
        values = (unix_seconds(row["decision_id"]) * MS, row["label"], row["base"], row["score"])
        for values_so_far, value in zip(column, values, strict=True):
            values_so_far.append(value)
    scores = {model: _scores(*column) for model, column in columns.items()}
    return dict(sorted(scores.items(), key=lambda entry: (-len(entry[1].label), entry[0])))


def read_publications(lines: Iterable[str], unreadable: list[str]) -> tuple[Publication, ...]:
    """The publications in order of time. A line without `closes` counts all its entities at its newest close."""
    rows = _objects(lines, unreadable, {"published_at_ms"})
    return tuple(sorted((_publication(row) for row in rows), key=lambda p: p.published_at_ms))


def _publication(row: Mapping[str, Any]) -> Publication:
    newest = row.get("newest_close_ms", row.get("close_ms"))
    closes = row.get("closes") or ([] if newest is None else [[newest, row.get("entities", 1)]])
    waited = row.get("waited_ms")
    return Publication(
        int(row["published_at_ms"]),
        None if waited is None else float(waited),
        tuple((int(close), int(entities)) for close, entities in closes),
    )


def _scores(time_ms: list[int], label: list[float], base: list[float], score: list[float]) -> Scores:
    values = np.array([label, base, score], dtype=np.float64)
    finite = np.isfinite(values).all(axis=0)
    return Scores(np.array(time_ms, dtype=np.int64)[finite], *values[:, finite])


def _file_lines(path: Path | None) -> Iterator[str]:
    if path is not None and path.is_file():
        with path.open() as file:
            yield from file


def _objects(lines: Iterable[str], unreadable: list[str], needed: set[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            unreadable.append(line)
            continue
        if isinstance(row, dict) and needed <= row.keys():
            yield row
        else:
            unreadable.append(line)
