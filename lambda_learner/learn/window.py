"""What one window does to one entity: joined rows become examples, are scored, then learned.

Pure; `operators/learn.py` is the shell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from lambda_learner.evaluation.progressive import increments_of
from lambda_learner.events import ksuid
from lambda_learner.events.forgets import until_ms_of
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
CLASSES: Final[Mapping[str, Mapping[str, str]]] = {
    "T": {"joined": "learned_records", "duplicate_decisions": "duplicate_records"},
    "F": {"joined": "applied_forgets", "duplicate_decisions": "duplicate_forgets"},
}
NEVER: Final = 0  # in place of the time up to which an entity is forgotten


@dataclass(slots=True)
class WindowOutcome:
    """The state after the window (None: nothing learned yet), scores before learning, counts, orphans.

    `forgets`: the window had the entity forgotten, whose state is of what came after `forgotten_ms` alone.
    `examples` are those that were scored, in no order; `base_version` is that of the base that gave their offsets.
    """

    state: EntityState | None
    changed: bool = False
    forgets: bool = False
    forgotten_ms: int = NEVER
    scores: Sequence[Score] = ()
    counts: dict[MinuteCount, int] = field(default_factory=dict)
    orphans: list[OrphanRewards] = field(default_factory=list)
    examples: Sequence[Example] = ()
    base_version: str = NO_BASE


def learn_window(  # noqa: PLR0913 - a state, a window, and what both are of
    state: EntityState | None,
    rows: Iterable[WindowRow],
    *,
    entity: str | None,
    close_ms: int,
    policy: ModelPolicy,
    forgotten_ms: int = NEVER,
) -> WindowOutcome:
    """Apply the join rule to the rows of one entity and window, score the examples, then learn them.

    Without an entity the examples are counted, not scored and not learned. A window that the state has already
    learned (its fence is not older) changes nothing and is counted `already_learned`. A training record has its own
    offset, whatever the base. A row that has the entity forgotten takes the state, whatever it was learned from;
    examples of up to `forgotten_ms`, or the time that such a row says, are counted `forgotten`, not scored and not
    learned.
    """
    outcome = WindowOutcome(state, forgotten_ms=forgotten_ms)
    examples: list[Example] = []
    base_version = NO_BASE
    for each in rows:
        example = _example(each, outcome, policy)
        if example is not None:
            examples.append(example)
            base_version = max(base_version, each.base_version)
    if outcome.forgets:
        state = outcome.state = None
    if outcome.forgotten_ms:
        examples = _not_forgotten(examples, outcome)
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
    outcome.examples, outcome.base_version = examples, base_version
    return outcome


def _example(given: WindowRow, outcome: WindowOutcome, policy: ModelPolicy) -> Example | None:
    kind, row, offset, _ = given
    result = reward_decision(row, policy.reward)
    counts = outcome.counts
    for minute_ms, name, n in result.tally:
        key = minute_ms, name if kind == "D" else CLASSES[kind].get(name, name)
        counts[key] = counts.get(key, 0) + n
    if kind == "F":
        outcome.forgets, outcome.forgotten_ms = True, max(outcome.forgotten_ms, until_ms_of(row.decision_id))
        return None
    if isinstance(result, OrphanRewards):
        outcome.orphans.append(result)
        return None
    return _record_example(result) if kind == "T" else _decision_example(result, offset, counts, policy=policy)


def _not_forgotten(examples: list[Example], outcome: WindowOutcome) -> list[Example]:
    """Those of after the time up to which the entity is forgotten, by the times of their ids; counts the others."""
    kept = [each for each in examples if ksuid.unix_seconds(each.decision_id) * 1000 > outcome.forgotten_ms]
    if len(kept) < len(examples):
        outcome.counts[0, "forgotten"] = len(examples) - len(kept)
    return kept


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
