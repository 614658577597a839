"""The summary of a run: every counter by its name, progressive quality of each model, speed. One JSON line."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambda_learner.evaluation.metrics import auc
from lambda_learner.evaluation.progressive import PREFIX, progressive_from_counters
from operators.counts import CountKey, read_sums
from operators.part_files import part_lines

COUNTERS = (
    "lines", "dead_lettered", "heartbeats", "decisions", "rewards", "records", "forgets",
    "joined", "duplicate_decisions", "conflicts", "late_decisions",
    "credited", "duplicate_rewards", "after_deadline", "orphan_rewards", "late_rewards", "excess_rewards",
    "learned_records", "duplicate_records", "late_records",
    "applied_forgets", "duplicate_forgets", "late_forgets", "forgotten",
    "no_entity", "already_learned", "updates", "non_finite_updates", "skipped_features", "dropped_features",
)  # fmt: skip
LATE_CLASSES = {"D": "late_decisions", "R": "late_rewards", "T": "late_records", "F": "late_forgets"}
SCORE_COLUMNS = ("model", "entity", "decision_id", "label", "base", "score", "served")
LAST = 50_000  # decisions of `auc_last_50000`


def summarise(
    outputs: Path, *, seconds: float, scores: Path | None, ended: bool, lines_before: int = 0
) -> dict[str, Any]:
    """The summary of a run from its part files; `scores` is the file that --scores has written.

    What came in and did not come out is late, once the run has ended; before, it may be in a window still open.

    The counters are of all that the run has done, however often it was resumed; `seconds` and `events_per_second`
    are of the time since it was last started. The latter leaves out `lines_before`: the lines that were counted by
    then, of which those since the checkpoint were read again. So it never flatters. None if no time has passed.
    """
    sums = read_sums(outputs / "counts", with_open=not ended)
    total = _total(sums)
    missing = not_given_back(total)
    late = missing if ended else _late_rows(outputs / "late")
    found = {**total, **late}  # not `|`: that would hide a negative difference, which tells of a broken identity
    summary: dict[str, Any] = {name: found.get(name, 0) for name in COUNTERS}
    if not ended:
        summary["in_open_windows"] = sum(missing.values()) - sum(late.values())
    summary["models"] = {model: {"progressive": p} for model, p in _progressive(sums).items()}
    summary["seconds"] = round(seconds, 3)
    summary["events_per_second"] = round(max(total["lines"] - lines_before, 0) / seconds) if seconds > 0 else None
    if scores is not None:
        summary["auc_last_50000"] = auc_of_last(scores, LAST)
    return summary


def lines_counted(outputs: Path) -> int:
    """The lines that a run has counted so far, also those that no checkpoint holds; 0 before the first."""
    return _total(read_sums(outputs / "counts", with_open=True))["lines"]


def _total(sums: Mapping[CountKey, int]) -> Counter[str]:
    """Each counter over all minutes and models."""
    total: Counter[str] = Counter()
    for (_, _, name), n in sums.items():
        total[name] += n
    return total


def not_given_back(total: Mapping[str, int]) -> Counter[str]:
    """The lines of each kind that no window has given back, under the names of the late classes."""
    count = Counter(total)
    rewards_out = count["credited"] + count["duplicate_rewards"] + count["after_deadline"] + count["orphan_rewards"]
    return Counter(
        late_decisions=count["decisions"] - count["joined"] - count["duplicate_decisions"],
        late_rewards=count["rewards"] - rewards_out,
        late_records=count["records"] - count["learned_records"] - count["duplicate_records"],
        late_forgets=count["forgets"] - count["applied_forgets"] - count["duplicate_forgets"],
    )


def _late_rows(folder: Path) -> Counter[str]:
    """The rows of the late side output, under the names of the late classes."""
    kinds = (json.loads(line)["kind"] for line in part_lines(folder, with_open=True))
    return Counter(LATE_CLASSES[kind] for kind in kinds)


def _progressive(sums: Mapping[CountKey, int]) -> dict[str, dict[str, Any]]:
    by_model: dict[str, Counter[str]] = {}
    for (_, model, name), n in sums.items():
        if name.startswith(PREFIX):
            by_model.setdefault(model, Counter())[name] += n
    return {model: progressive_from_counters(counters) for model, counters in sorted(by_model.items())}


def write_scores(outputs: Path, path: Path, *, ended: bool) -> bool:
    """Gather the scores in one file in order of decision_id, as objects of SCORE_COLUMNS.

    `served` is the score of a reader of the decision's time, null where it is not known.
    False without any: then a file that is there stays, since it is of a run that has learned something.
    """
    lines = sorted({line for line in part_lines(outputs / "scores", with_open=not ended) if line})
    path.parent.mkdir(parents=True, exist_ok=True)
    if not lines:
        path.touch()
        return False
    rows = sorted(map(json.loads, lines), key=lambda row: (row[2], row[0]))
    with path.open("w") as file:
        for row in rows:  # one that an older version of the job has written ends with `score`
            file.write(json.dumps(dict(itertools.zip_longest(SCORE_COLUMNS, row))) + "\n")
    return True


def auc_of_last(path: Path, last: int) -> float | None:
    """The AUC of the last scores of a scores file, by decision_id; None when a class is missing."""
    with path.open() as file:
        rows = [json.loads(line) for line in file][-last:]
    value = auc([row["score"] for row in rows], [row["label"] for row in rows]) if rows else math.nan
    return None if math.isnan(value) else value
