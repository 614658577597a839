"""The learn stage driven by hand: lines in, updates and counters out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lambda_learner.archive.forgotten import NOBODY, Forgotten
from lambda_learner.learn.served import Readers
from lambda_learner.learn.state import EntityState
from lambda_learner.learn.state_text import decode_state
from lambda_learner.policy import ModelPolicy, Policies
from operators.files import Line
from operators.learn import DROPPED, Learn
from operators.parse import Parser
from operators.rows import FIELD, ROW
from operators.warm_start import WarmStart
from tests.harness.cases import (
    POLICY,
    T0_MS,
    decision_line,
    joined,
)
from tests.harness.fake_flink import Driven

Batch = tuple[str, str | None, int, str]
U = '["u"]'
TTL_MS = 60_000
MORTAL = replace(POLICY, entity_ttl_ms=TTL_MS)


def batches(lines: Iterable[bytes], policy: ModelPolicy = POLICY) -> list[Batch]:
    """What the batch stage hands on for lines, in order of time."""
    parser = Parser(Policies({}, policy), max_message_bytes=10_000, max_clock_skew_ms=0)
    parsed = parser.parse([Line(0, line) for line in lines], source="f", arrival_ms=T0_MS + 10**9)
    assert parsed.dead_letters == []
    windows = sorted(joined(parsed.rows).items(), key=lambda item: item[0][0])
    return [(model, entity, close_ms, text) for (close_ms, model, entity), text in windows]


def learn(
    policy: ModelPolicy = POLICY,
    *,
    warm_start: WarmStart | None = None,
    scored_for: Readers | None = None,
    unordered: bool = False,
    forgotten: Forgotten = NOBODY,
) -> Learn:
    start = WarmStart("/nowhere") if warm_start is None else warm_start
    return Learn(
        Policies({}, policy), warm_start=start, scored_for=scored_for, unordered=unordered, forgotten=forgotten
    )


def feed(driven: Driven, given: Sequence[Batch]) -> list[Any]:
    """Hand over batches; event time reaches a window's close after it, as in Flink."""
    out = []
    for model, entity, close_ms, text in given:
        batch = FIELD.join((model, entity or "", str(close_ms), text))
        out += driven.element(f"{model}{FIELD}{entity if entity else text[27]}", batch)
    return out


def state_text_of(update: Any) -> str:
    """The state of an update, or DROPPED."""
    text: str = update[3].split(FIELD)[2]
    return text


def state_of(update: Any) -> EntityState:
    return decode_state(state_text_of(update))


def timeless(updates: Iterable[Any]) -> list[tuple[str, str, int, str]]:
    """The updates without when they were made."""
    return [(update[0], update[1], update[2], state_text_of(update)) for update in updates]


def summary(updates: Iterable[Any]) -> list[tuple[str, int, bool]]:
    """Entity, close and whether it is a tombstone, of updates."""
    return [(update[1], update[2], state_text_of(update) == DROPPED) for update in updates]


def gathered(updates: Iterable[Any], interval_ms: int | None) -> list[tuple[str, int, str]]:
    """What the delta stage makes of updates; without an interval, at the end of the input."""
    newest: defaultdict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    for shard, entity, close_ms, text in updates:
        end_ms = 0 if interval_ms is None else -(-close_ms // interval_ms) * interval_ms
        states = newest[end_ms, shard]
        states[entity] = max(text, states.get(entity, ""))
    return [
        (shard, end_ms, ROW.join(f"{entity}{FIELD}{text}" for entity, text in states.items()))
        for (end_ms, shard), states in sorted(newest.items())
    ]


def counts(driven: Driven) -> Counter[str]:
    total: Counter[str] = Counter()
    for text in driven.side["counts"]:
        for part in text.split(ROW):
            total[part.rpartition(FIELD)[2]] += int(part[:19])
    return total


def decisions(*seconds: int, user: Any = "u", policy: ModelPolicy = POLICY) -> list[Batch]:
    return batches([decision_line(second, number, user=user) for number, second in enumerate(seconds)], policy)
