"""What the job must learn, by a plain loop over the pure rules: one thread, no Flink, no lateness."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from config.policies import feature_spec, learner_settings, reward_policy
from config.settings import Settings
from lambda_learner import join
from lambda_learner.events import ksuid
from lambda_learner.events.schema import Decision, Event, Forget, Heartbeat, Record
from lambda_learner.events.wire import BadRecord, decode
from lambda_learner.features.entity import entity_of
from lambda_learner.features.flatten import flatten
from lambda_learner.learn.base_change import state_under_base
from lambda_learner.learn.entity import EntityState, Example, LearnerSettings, learn
from lambda_learner.learn.score import margin, mean_coefficients
from lambda_learner.publish.bases import BaseEntry, BaseLog, read_base_log
from lambda_learner.publish.store import Store
from lambda_learner.retrain.decision import DecisionModel

GENERATION = "oracle"  # of its states
START_MS = -(10**15)  # before all readers


class Scored(NamedTuple):
    """A decision or record, scored before it was learned; None where it is not known what readers had."""

    decision_id: str
    model: str
    entity: str
    label: float
    base: float
    score: float
    served: float | None


@dataclass
class Row:
    """The lines of one decision id, or of one record's message id, in its window."""

    decisions: list[Decision] = field(default_factory=list)
    rewards: list[join.RewardCopy] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


def joined_row(model: str, decision_id: str, row: Row) -> join.JoinedRow:
    """The greatest of whole payloads wins; copies that are the same up to the item are told apart by checksum."""
    copies = tuple(join.DecisionCopy(each.event_ms, join.checksum(each.payload)) for each in row.decisions)
    if not copies:
        return join.JoinedRow(model, decision_id, None, (), tuple(row.rewards))
    great = max(row.decisions, key=lambda decision: decision.payload)
    alike = [copy.checksum for copy, each in zip(copies, row.decisions, strict=True) if each.core == great.core]
    return join.JoinedRow(model, decision_id, great.payload, copies, tuple(row.rewards), max(alike))


def by_key(factory: Any) -> Any:
    return field(default_factory=lambda: defaultdict(factory))


@dataclass
class Oracle:
    """All that came out; scores in order of (window, model, entity, decision_id)."""

    settings: Settings
    bases: Store | None = None  # whose activation logs count, as they are at the end
    coefficients: dict[tuple[str, str], EntityState] = field(default_factory=dict)
    rewards: dict[str, dict[str, float]] = by_key(dict)
    counters: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    by_minute: dict[int, Counter[str]] = by_key(Counter)
    scores: list[Scored] = field(default_factory=list)
    rows: dict[tuple[int, str, str], Row] = by_key(Row)  # by close, model, id
    batches: dict[tuple[int, str, str], list[Example]] = by_key(list)  # by close, model, entity
    forgets: dict[str, Forget] = field(default_factory=dict)  # by message_id
    states: dict[tuple[str, str], list[tuple[int, EntityState | None]]] = by_key(lambda: [(START_MS, None)])
    logs: dict[str, BaseLog] = field(default_factory=dict)
    models: dict[str, DecisionModel] = field(default_factory=dict)  # by version

    def count(self, event_ms: int, name: str, number: int = 1) -> None:
        self.counters[name] += number
        self.by_minute[event_ms - event_ms % 60_000][name] += number

    def read(self, line: bytes, modified_ms: int) -> None:
        stream = self.settings.stream
        limits = {
            "max_message_bytes": stream.max_message_bytes,
            "max_clock_skew_ms": stream.max_clock_skew_ms,
        }
        try:
            event = decode(line, arrival_ms=modified_ms, **limits)
        except BadRecord as refused:
            self.counters.update(lines=1, dead_lettered=1)
            self.dead_letters[refused.reason] += 1
            return
        self.count(event.event_ms, "lines")
        self.count(event.event_ms, f"{type(event).__name__.lower()}s")
        self.place(event)

    def place(self, event: Event) -> None:
        if isinstance(event, Heartbeat):
            return
        model = self.settings.model_for(event.model)
        interval_ms = model.learner.update_interval_ms
        if isinstance(event, Forget):
            again = event.message_id in self.forgets
            self.count(event.event_ms, "duplicate_forgets" if again else "applied_forgets")
            self.forgets[event.message_id] = event
            self.batches[join.close_ms(event.until_ms, interval_ms), event.model, event.entity] += []
            return
        if isinstance(event, Record):
            close = join.close_ms(event.event_ms, interval_ms)
            self.rows[close, event.model, event.message_id].records.append(event)
            return
        deadline = join.deadline_ms(event.decision_ms, model.reward.window_ms)
        close = join.close_ms(deadline, interval_ms)
        if isinstance(event, Decision):
            row = self.rows[close, event.model, event.message_id]
            row.decisions.append(event)
        elif event.event_ms > deadline:
            self.count(event.event_ms, "after_deadline")
        else:
            copy = join.RewardCopy(event.message_id, event.event_ms, event.value)
            self.rows[close, event.model, event.decision_id].rewards.append(copy)

    def settle_decision(self, close: int, model: str, decision_id: str, row: Row) -> None:
        policy = self.settings.model_for(model)
        joined = joined_row(model, decision_id, row)
        outcome = join.reward_decision(joined, reward_policy(policy.reward))
        for minute_ms, name, number in outcome.tally:
            self.count(minute_ms, name, number)
        if isinstance(outcome, join.OrphanRewards):
            return
        self.rewards[model][decision_id] = outcome.reward
        decision = orjson.loads(outcome.payload)
        item, context = decision["item"], decision["context"]
        features = flatten(item, context, feature_spec(policy.learner)).values
        base = self.log(model).base_for(close, ksuid.unix_seconds(decision_id) * 1000)
        offset = 0.0 if base is None else self.offset(base, item, context)
        example = Example(decision_id, features, outcome.reward, 1.0, offset)
        self.batch(close, model, entity_of(item, context, policy.learner.entity), example)

    def settle_records(self, close: int, model: str, records: list[Record]) -> None:
        for place, record in enumerate(sorted(records, key=lambda record: record.event_ms)):
            self.count(record.event_ms, "duplicate_records" if place else "learned_records")
        winner = max(records, key=lambda record: record.payload)
        features: dict[tuple[str, str], float] = defaultdict(float)
        for name, term, value in winner.features:
            features[name, term] += value
        example = Example(winner.message_id, features, winner.label, winner.weight, winner.offset)
        one_entity = not self.settings.model_for(model).learner.entity
        self.batch(close, model, "[]" if one_entity else winner.entity, example)

    def log(self, model: str) -> BaseLog:
        """The bases of a model, read once."""
        if model not in self.logs:
            kind = self.settings.model_for(model).learner.kind
            self.logs[model] = BaseLog() if self.bases is None else read_base_log(self.bases, model).of_kind(kind)
        return self.logs[model]

    def offset(self, base: BaseEntry, item: Any, context: Any) -> float:
        """The offset of one decision, by itself."""
        if not base.key:
            return base.intercept
        assert self.bases is not None
        if base.version not in self.models:
            found = self.bases.get(base.key)
            assert found is not None
            self.models[base.version] = DecisionModel.of_file(found.data)
        return base.intercept + base.slope * float(self.models[base.version].score([item], context, noise=0.5)[0])

    def batch(self, close: int, model: str, entity: str | None, example: Example) -> None:
        if entity is None:
            self.counters["no_entity"] += 1
        else:
            self.batches[close, model, entity].append(example)

    def learn(self, close: int, model: str, entity: str, examples: list[Example]) -> None:
        examples = self.without_forgotten(close, model, entity, examples)
        if not examples:
            return
        learner = learner_settings(self.settings.model_for(model).learner)
        before = self.coefficients.get((model, entity))
        active = self.log(model).active_at(close)
        version = active.version if active else ""
        result = learn(before, examples, close_ms=close, generation=GENERATION, settings=learner, base_version=version)
        by_id = {example.decision_id: example for example in examples}
        for score in result.scores:
            served = self.served(model, entity, by_id[score.decision_id], learner, version)
            self.scores.append(Scored(score.decision_id, model, entity, *score[1:], served))
        self.coefficients[model, entity] = result.state
        self.states[model, entity].append((close, result.state))

    def served(self, model: str, entity: str, example: Example, learner: LearnerSettings, version: str) -> float | None:
        """The score of a reader at the time of a decision."""
        stream, at_ms = self.settings.stream, ksuid.unix_seconds(example.decision_id) * 1000
        interval_ms = stream.publish_interval_ms
        for close, state in reversed(self.states[model, entity]):
            published_ms = close + -close % interval_ms  # with all that its interval has
            if published_ms + stream.out_of_orderness_ms <= at_ms:
                held = state_under_base(state, learner.prior, active=version)
                known = mean_coefficients((), None, learner.prior)
                if held is not None:
                    known = mean_coefficients(held.names, held.posterior, learner.prior)
                return margin(example.features, known, offset=example.offset)
        return None

    def without_forgotten(self, close: int, model: str, entity: str, examples: list[Example]) -> list[Example]:
        """Those that an entity which is to be forgotten by a close learns from; its state goes at that close."""
        interval_ms = self.settings.model_for(model).learner.update_interval_ms
        closes = {
            join.close_ms(forget.until_ms, interval_ms): forget.until_ms
            for forget in self.forgets.values()
            if (forget.model, forget.entity) == (model, entity)
        }
        if close in closes:
            self.coefficients.pop((model, entity), None)
            self.states[model, entity] = [(close, None)]
        until_ms = max((until_ms for at_ms, until_ms in closes.items() if at_ms <= close), default=0)
        return [example for example in examples if ksuid.unix_seconds(example.decision_id) * 1000 > until_ms]


def replay(paths: Iterable[Path], settings: Settings, bases: Store | None = None) -> Oracle:
    """Learn from the events in files and folders, as if no line ever came late; unknown models by default."""
    oracle = Oracle(settings, bases)
    for line, modified_ms in _lines(paths):
        oracle.read(line, modified_ms)
    for (close, model, key), row in sorted(oracle.rows.items(), key=lambda entry: entry[0]):
        if row.records:
            oracle.settle_records(close, model, row.records)
        if row.decisions or row.rewards:
            oracle.settle_decision(close, model, key, row)
    for (close, model, entity), examples in sorted(oracle.batches.items(), key=lambda entry: entry[0]):
        oracle.learn(close, model, entity, examples)
    return oracle


def _lines(paths: Iterable[Path]) -> Iterator[tuple[bytes, int]]:
    for path in paths:
        for file in sorted(path.glob("[!.]*")) if path.is_dir() else [path]:
            modified_ms = file.stat().st_mtime_ns // 1_000_000
            with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
                for line in lines:
                    yield line.rstrip(b"\r\n"), modified_ms
