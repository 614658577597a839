"""What one window does to one entity: joined rows become examples, are scored, then learned.

Pure; `operators/learn.py` is the shell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from lambda_learner.evaluation.progressive import increments_of
from lambda_learner.features.flatten import flatten
from lambda_learner.join import OrphanRewards, RewardedDecision, reward_decision
from lambda_learner.learn.base_change import NO_BASE
from lambda_learner.learn.entity import learn
from lambda_learner.learn.state import EntityState, Example, LearnResult, Score
from lambda_learner.learn.window_row import WindowRow
from lambda_learner.policy import ModelPolicy

MinuteCount = tuple[int, str]  # minute's start in ms (0: of the whole run), name
EXACT_RECORDS = 4  # updates of up to so many records are counted each by itself
SMALLEST_STEP, LARGEST_STEP = 1e-6, 1e12  # what is beyond counts as these; a forged reward steps past any float
RECORD_CLASSES = {"joined": "learned_records", "duplicate_decisions": "duplicate_records"}


@dataclass(slots=True)
class WindowOutcome:
    """The state after the window (None: nothing learned yet), scores before learning, counts, orphans."""

    state: EntityState | None
    changed: bool = False
    scores: Sequence[Score] = ()
    counts: dict[MinuteCount, int] = field(default_factory=dict)
    orphans: list[OrphanRewards] = field(default_factory=list)


def learn_window(
    state: EntityState | None,
    rows: Iterable[WindowRow],
    *,
    entity: str | None,
    close_ms: int,
    policy: ModelPolicy,
) -> WindowOutcome:
    """Apply the join rule to the rows of one entity and window, score the examples, then learn them.

    Without an entity the examples are counted, not scored and not learned. A window that the state has already
    learned (its fence is not older) changes nothing and is counted `already_learned`. A training record has its own
    offset, whatever the base.
    """
    outcome = WindowOutcome(state)
    examples: list[Example] = []
    base_version = NO_BASE
    for each in rows:
        example = _example(each, outcome, policy)
        if example is not None:
            examples.append(example)
            base_version = max(base_version, each.base_version)
    if not examples or not policy.learned:
        return outcome
    if entity is None:
        outcome.counts[0, "no_entity"] = len(examples)
        return outcome
    result = learn(
        state,
        examples,
        close_ms=close_ms,
        generation=policy.generation,
        settings=policy.learner,
        base_version=base_version,
    )
    if result.outcome == "fenced":
        outcome.counts[0, "already_learned"] = len(examples)
        return outcome
    _count_result(outcome.counts, result, policy)
    outcome.state, outcome.changed, outcome.scores = result.state, True, result.scores
    return outcome


def _example(given: WindowRow, outcome: WindowOutcome, policy: ModelPolicy) -> Example | None:
    kind, row, offset, _ = given
    result = reward_decision(row, policy.reward)
    counts = outcome.counts
    for minute_ms, name, n in result.tally:
        key = minute_ms, RECORD_CLASSES.get(name, name) if kind == "T" else name
        counts[key] = counts.get(key, 0) + n
    if isinstance(result, OrphanRewards):
        outcome.orphans.append(result)
        return None
    return _record_example(result) if kind == "T" else _decision_example(result, offset, counts, policy=policy)


def _decision_example(
    decision: RewardedDecision, offset: float, counts: dict[MinuteCount, int], *, policy: ModelPolicy
) -> Example:
    payload = orjson.loads(decision.payload)
    features, skipped = flatten(payload.get("item"), payload.get("context"), policy.features)
    if skipped:
        counts[0, "skipped_features"] = counts.get((0, "skipped_features"), 0) + skipped
    return Example(decision.decision_id, features, decision.reward, 1.0, offset)


def _record_example(record: RewardedDecision) -> Example:
    payload = orjson.loads(record.payload)
    features: Counter[tuple[str, str]] = Counter()
    for feature in payload["features"]:
        features[feature["name"], feature["term"]] += feature["value"]
    return Example(
        record.decision_id, features, payload["label"], payload.get("weight", 1.0), payload.get("offset", 0.0)
    )


def _count_result(counts: dict[MinuteCount, int], result: LearnResult, policy: ModelPolicy) -> None:
    for name, n in increments_of(result.scores, policy.learner.kind).items():
        counts[0, name] = n
    counts[0, "updates"] = 1
    counts[0, f"update_records.{_records_bin(len(result.scores))}"] = 1
    counts[0, f"update_step.{_step_bin(result.step)}"] = 1
    if result.outcome == "non_finite":
        counts[0, "non_finite_updates"] = 1
    if result.dropped_features:
        counts[0, "dropped_features"] = result.dropped_features


def _records_bin(records: int) -> int:
    """The lower bound of the bin: 1, 2, 3, 4, then 5, 9, 17, … (powers of two plus one)."""
    return records if records <= EXACT_RECORDS else 1 + (1 << (records - 1).bit_length() - 1)


def _step_bin(step: float) -> int:
    """The size of the mean's step, in quarters of a power of ten."""
    return math.floor(4 * math.log10(min(max(step, SMALLEST_STEP), LARGEST_STEP)))
