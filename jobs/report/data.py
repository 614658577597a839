"""What a run has left behind, read as columns: scores, publications, counters by minute, late rows.

Nothing here fails because something is missing: no file gives no rows. A line that is not complete JSON (of a
run that was killed while it wrote) is left out and counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jobs.report.counters import was_stopped
from lambda_learner.events.ksuid import is_valid, unix_seconds
from operators.counts import CountKey, read_sums
from operators.part_files import part_lines

__all__ = ["Floats", "Publication", "ReportInput", "RunData", "Scores", "read_run"]

Floats = npt.NDArray[np.float64]
MS = 1_000


@dataclass(frozen=True, slots=True)
class ReportInput:
    """One section of the report: a run's summary, and the files that it wrote.

    `settings` are shown as they are, nested mappings by dotted keys. `note` is a sentence below the title.
    `live` says that events came as they happened: only then does the time since a window's close say how
    fresh coefficients are. None: live if it was stopped, not ended, and published soon after windows closed.
    """

    title: str
    summary: Mapping[str, Any]
    scores: Path | None
    outputs: Path
    settings: Mapping[str, Any] | None = None
    note: str = ""
    live: bool | None = None


class Scores(NamedTuple):
    """The scored examples of one model in order of decision_id; times are the ids', in ms.

    `score` is that of learn time; `served` that of a reader when the decision was made, nan where it is not known.
    """

    time_ms: npt.NDArray[np.int64]
    label: Floats
    base: Floats
    score: Floats
    served: Floats

    def part(self, start: int, end: int) -> Scores:
        """Some of them, from place `start` to before `end`."""
        return self._of(slice(start, end))

    def known_as_served(self) -> Scores:
        """Those whose served score is known."""
        known = np.isfinite(self.served)
        return self if known.all() else self._of(known)

    def _of(self, which: slice | npt.NDArray[np.bool_]) -> Scores:
        time_ms, label, base, score, served = self
        return Scores(time_ms[which], label[which], base[which], score[which], served[which])

    def last(self, number: int) -> Scores:
        """The newest of them."""
        return self.part(max(len(self.label) - number, 0), len(self.label))


class Publication(NamedTuple):
    """One delta that became readable at a wall clock time; `closes` has (window close, entities)."""

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
    # What a stopped run wrote last is in part files that are still open.
    with_open = bool(source.live) or was_stopped(source.summary)
    lines = part_lines(source.outputs / "published", with_open=with_open)
    published = read_publications(lines, unreadable)
    late = sum(1 for line in part_lines(source.outputs / "late", with_open=with_open) if line)
    counts = read_sums(source.outputs / "counts", with_open=with_open)
    return RunData(scores, published, counts, late, len(unreadable))


def read_scores(lines: Iterable[str], unreadable: list[str]) -> dict[str, Scores]:
    """The columns of each model's rows; rows with a number that is not finite are left out."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for row in _objects(lines, unreadable, {"model", "decision_id", "label", "base", "score"}):
        if not is_valid(str(row["decision_id"])):
            unreadable.append(str(row["decision_id"]))
            continue
        served = math.nan if row.get("served") is None else row["served"]
        values = unix_seconds(row["decision_id"]) * MS, row["label"], row["base"], row["score"], served
        rows.setdefault(str(row["model"]), []).append(values)
    scores = {model: _scores(of_model) for model, of_model in rows.items()}
    return dict(sorted(scores.items(), key=lambda entry: (-len(entry[1].label), entry[0])))


def read_publications(lines: Iterable[str], unreadable: list[str]) -> tuple[Publication, ...]:
    """The publications in order of time; one that a restart has told of again counts once, at its first time.

    A line without `closes` counts all its entities at its newest close.
    """
    rows = sorted(_objects(lines, unreadable, {"published_at_ms"}), key=lambda row: row["published_at_ms"])
    first: dict[tuple[Any, ...], Publication] = {}
    for row in rows:
        close_ms = row.get("close_ms", row["published_at_ms"])
        first.setdefault((row.get("model"), row.get("shard"), close_ms), _publication(row))
    return tuple(first.values())


def _publication(row: Mapping[str, Any]) -> Publication:
    newest = row.get("newest_close_ms", row.get("close_ms"))
    closes = row.get("closes") or ([] if newest is None else [[newest, row.get("entities", 1)]])
    waited = row.get("waited_ms")
    return Publication(
        int(row["published_at_ms"]),
        None if waited is None else float(waited),
        tuple((int(close), int(entities)) for close, entities in closes),
    )


def _scores(rows: list[tuple[float, ...]]) -> Scores:
    values = np.array(rows, dtype=np.float64).T
    # float64 is exact for times in ms
    time_ms, label, base, score, served = values[:, np.isfinite(values[:-1]).all(axis=0)]
    return Scores(time_ms.astype(np.int64), label, base, score, served)


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
