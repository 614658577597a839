"""What must come out of a simulated log: every counter, reward and dead letter, found line by line.

A sequential model of DESIGN §3 that shares no code with the join, so that the two check each other:

    watermark before a line = greatest event time of the valid lines before it − out_of_orderness
    deadline = raw time of the decision id + reward window (of a record: its event time)
    close    = deadline rounded up to the update interval;  late: close − 1 ms ≤ watermark
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Final, TypeAlias

from lambda_learner.simulate.lines import Line

__all__ = ["CLASSES", "Rules", "Truth"]

CLASSES: Final = (
    "lines",
    "dead_lettered",
    "heartbeats",
    "decisions",
    "rewards",
    "records",
    "joined",
    "duplicate_decisions",
    "conflicts",
    "late_decisions",
    "credited",
    "duplicate_rewards",
    "after_deadline",
    "orphan_rewards",
    "late_rewards",
    "excess_rewards",
    "learned_records",
    "duplicate_records",
    "late_records",
)
_MINUTE_MS: Final = 60_000
_NO_TIME_YET: Final = -(1 << 62)

_Key: TypeAlias = tuple[str, str]  # model, decision id (of a record: message id)


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the job that the truth depends on; `stamped`: lines carry `received_at`."""

    reward_window_ms: int = 600_000
    update_interval_ms: int = 10_000
    out_of_orderness_ms: int = 30_000
    max_clock_skew_ms: int = 900_000
    max_rewards: int = 1000
    stamped: bool = True

    def close_ms(self, deadline_ms: int) -> int:
        """Give the end of the window that a deadline falls into."""
        return -(-deadline_ms // self.update_interval_ms) * self.update_interval_ms


class _Row:
    """What a window has of one decision id; event times of copies, in order of arrival."""

    __slots__ = ("decisions", "records", "rewards")

    def __init__(self) -> None:
        self.decisions: list[tuple[int, int]] = []  # event time, variant
        self.records: list[int] = []  # event time
        self.rewards: dict[str, list[tuple[int, float]]] = {}  # message_id → event time, value


class Truth:
    """Takes the lines in order of arrival; `result` is the truth file."""

    def __init__(self, rules: Rules) -> None:
        """Start with no line seen."""
        self._rules = rules
        self._latest_ms = _NO_TIME_YET
        self._tally: defaultdict[tuple[int, str], int] = defaultdict(int)
        self._dead: defaultdict[str, int] = defaultdict(int)
        self._rewards: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._windows: dict[int, defaultdict[_Key, _Row]] = {}
        self._closes: list[int] = []  # a heap of the open windows

    def watch(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Pass the lines on, each classified."""
        for line in lines:
            self.add(line)
            yield line

    def add(self, line: Line) -> None:
        """Classify the next line."""
        reason = self._refusal(line)
        if reason:
            known = self._rules.stamped and not isinstance(line.body, bytes)
            self._count(line.arrival_ms if known else 0, "lines", "dead_lettered")
            self._dead[reason] += 1
            return
        event_ms = min(line.message_ms, line.arrival_ms) if self._rules.stamped else line.message_ms
        self._count(event_ms, "lines", f"{line.kind}s")
        if line.kind != "heartbeat":
            self._to_window(line, event_ms)
        self._latest_ms = max(self._latest_ms, event_ms)

    def result(self) -> dict[str, Any]:
        """Give the truth of all lines so far, their windows closed; further lines may follow."""
        self._settle_until(1 << 62)
        counters = dict.fromkeys(CLASSES, 0)
        by_minute: dict[str, dict[str, int]] = {}
        for (minute, name), number in sorted(self._tally.items()):
            counters[name] += number
            by_minute.setdefault(str(minute * _MINUTE_MS), {})[name] = number
        dead_letters = dict(sorted(self._dead.items()))
        rewards = {model: dict(sorted(of.items())) for model, of in sorted(self._rewards.items())}
        return {
            "counters": counters,
            "dead_letters": dead_letters,
            "rewards": rewards,
            "by_minute": by_minute,
        }

    def _refusal(self, line: Line) -> str:
        if self._rules.stamped and line.kind != "bad":
            latest_ms = line.arrival_ms + self._rules.max_clock_skew_ms
            if line.message_ms > latest_ms or line.decision_ms > latest_ms:
                return "clock_ahead"
        return line.reason

    def _to_window(self, line: Line, event_ms: int) -> None:
        rules = self._rules
        deadline_ms = event_ms if line.kind == "record" else line.decision_ms + rules.reward_window_ms
        if line.kind == "reward" and event_ms > deadline_ms:
            self._count(event_ms, "after_deadline")
            return
        watermark_ms = self._latest_ms - rules.out_of_orderness_ms
        close_ms = rules.close_ms(deadline_ms)
        if close_ms - 1 <= watermark_ms:
            self._count(event_ms, f"late_{line.kind}s")
            return
        self._settle_until(watermark_ms)
        row = self._window(close_ms)[line.model, line.decision_id or line.message_id]
        if line.kind == "reward":
            row.rewards.setdefault(line.message_id, []).append((event_ms, line.value))
        elif line.kind == "decision":
            row.decisions.append((event_ms, line.variant))
        else:
            row.records.append(event_ms)

    def _window(self, close_ms: int) -> defaultdict[_Key, _Row]:
        window = self._windows.get(close_ms)
        if window is None:
            window = self._windows[close_ms] = defaultdict(_Row)
            heappush(self._closes, close_ms)
        return window

    def _settle_until(self, watermark_ms: int) -> None:
        while self._closes and self._closes[0] - 1 <= watermark_ms:
            for key, row in self._windows.pop(heappop(self._closes)).items():
                self._settle(key, row)

    def _settle(self, key: _Key, row: _Row) -> None:
        self._copies(sorted(row.records), "learned_records", "duplicate_records")
        self._copies(sorted(event_ms for event_ms, _ in row.decisions), "joined", "duplicate_decisions")
        if len({variant for _, variant in row.decisions}) > 1:
            for event_ms, variant in row.decisions:
                if variant:
                    self._count(event_ms, "conflicts")
        total = 0.0
        for place, reward_id in enumerate(sorted(row.rewards)):
            copies = sorted(row.rewards[reward_id])
            first = "credited" if row.decisions else "orphan_rewards"
            self._copies([event_ms for event_ms, _ in copies], first, "duplicate_rewards")
            if place < self._rules.max_rewards:
                total += max(value for _, value in copies)
            else:
                self._count(copies[0][0], "excess_rewards")
        if row.decisions:
            model, decision_id = key
            self._rewards[model][decision_id] = total

    def _copies(self, event_times_ms: list[int], first: str, others: str) -> None:
        for place, event_ms in enumerate(event_times_ms):
            self._count(event_ms, others if place else first)

    def _count(self, event_ms: int, *names: str) -> None:
        minute = event_ms // _MINUTE_MS
        for name in names:
            self._tally[minute, name] += 1
