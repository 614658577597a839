"""What one window does to one entity: joined rows become examples, are scored, then learned. Pure; `operators/learn.py` is the shell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from lambda_learner.evaluate.progressive import increments
from lambda_learner.features.flatten import flatten
from lambda_learner.join import JoinedRow, OrphanRewards, RewardedDecision, reward_decision
from lambda_learner.learn.entity import learn
from lambda_learner.learn.state import EntityState, Example, Score
from lambda_learner.policy import ModelPolicy

MinuteCount = tuple[int, str]  # minute's start in ms (0: of the whole run), name
RECORD_CLASSES = {"joined": "learned_records", "duplicate_decisions": "duplicate_records"}


@dataclass(slots=True)
class WindowOutcome:
    """State after the window (None: nothing learned yet), whether it changed, scores before learning, counts, orphans."""

    state: EntityState | None
    changed: bool = False
    scores: Sequence[Score] = ()
    counts: Counter[MinuteCount] = field(default_factory=Counter)
    orphans: list[OrphanRewards] = field(default_factory=list)


def learn_window(
    state: EntityState | None,
    rows: Iterable[tuple[str, JoinedRow]],
    *,
    entity: str | None,
    close_ms: int,
    policy: ModelPolicy,
) -> WindowOutcome:
    """Apply the join rule to (kind, row) pairs of one entity and window, score the examples, then learn them.

    Without an entity the examples are scored by the base alone and not learned. A window that the state has already
    learned (its fence is not older) changes nothing and is counted `already_learned`.
    """
    outcome = WindowOutcome(state)
    examples = [e for kind, row in rows if (e := _example(kind, row, outcome, policy)) is not None]
    if not examples or not policy.learned:
        return outcome
    if entity is None:
        outcome.counts[0, "no_entity"] += len(examples)
        return outcome
    result = learn(state, examples, close_ms=close_ms, generation=policy.generation, settings=policy.learner)
    if result.outcome == "fenced":
        outcome.counts[0, "already_learned"] += len(examples)
        return outcome
    outcome.state, outcome.changed, outcome.scores = result.state, True, result.scores
    _count_result(outcome, result.outcome, result.dropped_features, policy)
    return outcome


def _example(kind: str, row: JoinedRow, outcome: WindowOutcome, policy: ModelPolicy) -> Example | None:
    result = reward_decision(row, policy.reward)
    for minute_ms, name, n in result.tally:
        outcome.counts[minute_ms, RECORD_CLASSES.get(name, name) if kind == "T" else name] += n
    if isinstance(result, OrphanRewards):
        outcome.orphans.append(result)
        return None
    return _record_example(result) if kind == "T" else _decision_example(result, outcome, policy)


def _decision_example(decision: RewardedDecision, outcome: WindowOutcome, policy: ModelPolicy) -> Example:
    payload = orjson.loads(decision.payload)
    features = flatten(payload.get("item"), payload.get("context"), policy.features)
    if features.skipped:
        outcome.counts[0, "skipped_features"] += features.skipped
    return Example(decision.decision_id, features.values, decision.reward)


def _record_example(record: RewardedDecision) -> Example:
    payload = orjson.loads(record.payload)
    features = {(f["name"], f["term"]): float(f["value"]) for f in payload["features"]}
    return Example(
        record.decision_id, features, payload["label"], payload.get("weight", 1.0), payload.get("offset", 0.0)
    )


def _count_result(outcome: WindowOutcome, learned: str, dropped_features: int, policy: ModelPolicy) -> None:
    outcome.counts[0, "updates"] += 1
    if learned == "non_finite":
        outcome.counts[0, "non_finite_updates"] += 1
    if dropped_features:
        outcome.counts[0, "dropped_features"] += dropped_features
    for score in outcome.scores:
        for name, n in increments(score, policy.learner.kind):
            outcome.counts[0, name] += n
