"""The summary of a run: every counter by its name, progressive quality of each model, speed. One JSON line."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lambda_learner.evaluate.metrics import auc
from lambda_learner.evaluate.progressive import PREFIX, progressive_from_counters
from operators.counts import CountKey, read_sums

COUNTERS = (
    "lines", "dead_lettered", "heartbeats", "decisions", "rewards", "records",
    "joined", "duplicate_decisions", "conflicts", "late_decisions",
    "credited", "duplicate_rewards", "after_deadline", "orphan_rewards", "late_rewards", "excess_rewards",
    "learned_records", "duplicate_records", "late_records",
    "no_entity", "already_learned", "updates", "non_finite_updates", "skipped_features", "dropped_features",
)  # fmt: skip
LAST = 50_000  # decisions of `auc_last_50000`


def summarise(outputs: Path, *, seconds: float, scores: Path | None = None) -> dict[str, Any]:
    """The summary of a finished run from its part files; `scores` is the file that --scores has written."""
    sums = read_sums(outputs / "counts")
    counters = totals(sums)
    summary: dict[str, Any] = dict(counters)
    summary["models"] = {model: {"progressive": p} for model, p in _progressive(sums).items()}
    summary["seconds"] = round(seconds, 3)
    summary["events_per_second"] = round(counters["lines"] / seconds) if seconds > 0 else 0
    if scores is not None:
        summary["auc_last_50000"] = auc_of_last(scores, LAST)
    return summary


def totals(sums: Mapping[CountKey, int]) -> dict[str, int]:
    """Each counter over all minutes and models; what is late is what came in and did not come out."""
    total: Counter[str] = Counter()
    for (_, _, name), n in sums.items():
        total[name] += n
    return {name: n for name, n in with_late(total).items() if name in COUNTERS}


def with_late(total: Mapping[str, int]) -> dict[str, int]:
    """Add the late classes: decisions, rewards and records that no window has given back (DESIGN §3)."""
    count = Counter(total)
    rewards_out = count["credited"] + count["duplicate_rewards"] + count["after_deadline"] + count["orphan_rewards"]
    late = {
        "late_decisions": count["decisions"] - count["joined"] - count["duplicate_decisions"],
        "late_rewards": count["rewards"] - rewards_out,
        "late_records": count["records"] - count["learned_records"] - count["duplicate_records"],
    }
    return {name: 0 for name in COUNTERS} | dict(count) | late


def _progressive(sums: Mapping[CountKey, int]) -> dict[str, dict[str, Any]]:
    by_model: dict[str, Counter[str]] = {}
    for (_, model, name), n in sums.items():
        if name.startswith(PREFIX):
            by_model.setdefault(model, Counter())[name] += n
    return {model: progressive_from_counters(counters) for model, counters in sorted(by_model.items())}


def collect_lines(outputs: Path, name: str) -> Iterable[str]:
    """The lines of the part files of one output."""
    for path in sorted((outputs / name).rglob("part-*")):
        with path.open() as file:
            yield from (line.rstrip("\n") for line in file)


def write_scores(outputs: Path, path: Path) -> None:
    """Gather the scores in one file in order of decision_id: model, entity, decision_id, label, base, score."""
    rows = sorted((json.loads(line) for line in collect_lines(outputs, "scores") if line), key=lambda r: (r[2], r[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for model, entity, decision_id, label, base, score in rows:
            row = {"model": model, "entity": entity, "decision_id": decision_id}
            file.write(json.dumps(row | {"label": label, "base": base, "score": score}) + "\n")


def auc_of_last(path: Path, last: int) -> float | None:
    """The AUC of the last scores of a scores file, by decision_id; None when a class is missing."""
    with path.open() as file:
        rows = [json.loads(line) for line in file][-last:]
    value = auc([row["score"] for row in rows], [row["label"] for row in rows]) if rows else math.nan
    return None if math.isnan(value) else value
