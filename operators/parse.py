"""Parse stage: lines in; rows for the join, counts and dead letters out. The only place that catches BadRecord.

State: none. Side outputs: counts, dead letters. All texts of one call are aggregates of one chunk, because each
element that crosses from Python to the JVM costs as much as parsing several lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from lambda_learner.events.schema import Decision, Event, Forget, Record, Reward
from lambda_learner.events.wire import BadRecord, decode
from lambda_learner.features.flatten import entity_of
from lambda_learner.join import close_ms, deadline_ms, minute_of
from lambda_learner.policy import ModelPolicy, Policies
from operators.counts import CountKey
from operators.dead_letter import dead_letter
from operators.files import Damage, Line
from operators.rows import ONE_ENTITY, clock_row, decision_row, forget_row, record_row, reward_row

_Raised: TypeAlias = tuple[int, str, tuple[str, ...]]  # the minute, the model and the counters of a line


@dataclass(slots=True)
class Parsed:
    """What became of some lines: rows for the join, the event of each row, counts, dead letters as JSON texts."""

    rows: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counts: Counter[CountKey] = field(default_factory=Counter)
    dead_letters: list[str] = field(default_factory=list)

    @property
    def archived(self) -> list[Decision | Reward]:
        """What is for the archive."""
        return [event for event in self.events if isinstance(event, (Decision, Reward))]

    @property
    def forgets(self) -> bool:
        """Whether a line has an entity forgotten."""
        return any(name == "forgets" for _, _, name in self.counts)


@dataclass(frozen=True, slots=True)
class Parser:
    """Turns lines into rows by the rules of the wire format and of each model."""

    policies: Policies
    max_message_bytes: int
    max_clock_skew_ms: int

    def parse(self, lines: Iterable[Line | Damage], *, source: str, arrival_ms: int) -> Parsed:
        """Everything that comes of these lines; `arrival_ms` holds for lines that carry no time of arrival."""
        parsed = Parsed()
        raised: dict[_Raised, int] = {}  # one look-up a line; the counters follow at the end
        for line in lines:
            at_ms = arrival_ms if line.arrival_ms is None else line.arrival_ms
            try:
                event = self._event(line, at_ms)
                row, model, names = self._row(event)
                counters = minute_of(event.event_ms), model, names
                parsed.rows.append(row)
                parsed.events.append(event)
            except BadRecord as bad:
                counters = minute_of(at_ms), "", ("dead_lettered",)
                position = f"{line.source or source}:{line.offset}"
                parsed.dead_letters.append(dead_letter(bad, stage="parse", position=position, raw=line.data))
            raised[counters] = raised.get(counters, 0) + 1
        for (minute, model, names), lines_raising in raised.items():
            parsed.counts[minute, "", "lines"] += lines_raising
            for name in names:
                parsed.counts[minute, model, name] += lines_raising
        return parsed

    def _event(self, line: Line | Damage, arrival_ms: int) -> Event:
        if isinstance(line, Damage):
            rule = "must be whole to its end"
            raise BadRecord("damaged_file", "file", line.problem, rule)  # noqa: EM101 - a code
        return decode(
            line.data,
            arrival_ms=arrival_ms,
            max_message_bytes=self.max_message_bytes,
            max_clock_skew_ms=self.max_clock_skew_ms,
        )

    def _row(self, event: Event) -> tuple[str, str, tuple[str, ...]]:
        """The row, the model and the counters of a valid event."""
        if isinstance(event, Decision):
            return self._decision(event)
        if isinstance(event, Reward):
            return self._reward(event)
        if isinstance(event, Record):
            return self._record(event)
        if isinstance(event, Forget):
            return self._forget(event)
        return clock_row(event.event_ms), "", ("heartbeats",)

    def _reward(self, reward: Reward) -> tuple[str, str, tuple[str, ...]]:
        policy = self._policy(reward.model)
        deadline = deadline_ms(reward.decision_ms, policy.reward.window_ms)
        if reward.event_ms > deadline:
            return clock_row(reward.event_ms), reward.model, ("rewards", "after_deadline")
        close = close_ms(deadline, policy.update_interval_ms)
        return reward_row(reward, close_ms=close), reward.model, ("rewards",)

    def _decision(self, decision: Decision) -> tuple[str, str, tuple[str, ...]]:
        policy = self._policy(decision.model)
        close = close_ms(deadline_ms(decision.decision_ms, policy.reward.window_ms), policy.update_interval_ms)
        entity = ONE_ENTITY
        if policy.entity_paths:
            found = entity_of(decision.item, decision.context, policy.entity_paths) if policy.learned else None
            entity = found or ""
        return decision_row(decision, close_ms=close, entity=entity), decision.model, ("decisions",)

    def _record(self, record: Record) -> tuple[str, str, tuple[str, ...]]:
        policy = self._policy(record.model)
        close = close_ms(record.event_ms, policy.update_interval_ms)
        entity = (record.entity or "") if policy.entity_paths else ONE_ENTITY
        return record_row(record, close_ms=close, entity=entity), record.model, ("records",)

    def _forget(self, forget: Forget) -> tuple[str, str, tuple[str, ...]]:
        policy = self._policy(forget.model)
        if forget.values != len(policy.entity_paths):
            paths = ", ".join(policy.entity_paths) or "none"
            rule = f"must have one value for each entity path of the model ({paths})"
            raise BadRecord("bad_forget", "entity", forget.entity, rule)  # noqa: EM101 - a code
        close = close_ms(forget.until_ms, policy.update_interval_ms)
        return forget_row(forget, close_ms=close), forget.model, ("forgets",)

    def _policy(self, model: str) -> ModelPolicy:
        policy = self.policies.of(model)
        if policy is None:
            rule = "must be one that the configuration names"
            raise BadRecord("unknown_model", "model", model, rule)  # noqa: EM101 - a code
        return policy
