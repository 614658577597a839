"""From what happened to the lines that arrive: delays, copies, and lines that come after their window."""

from __future__ import annotations

from itertools import count
from typing import Final

from lambda_learner.simulate.ids import Mint
from lambda_learner.simulate.lines import MS, Line, decision_line, reward_line
from lambda_learner.simulate.traffic import CONFLICT, LATE_COPY, NO_COPY, Fate, Visit
from lambda_learner.simulate.truth import Rules

__all__ = ["LATE_COPY_BY_MS", "Delivery", "model_name"]

LATE_COPY_BY_MS: Final = 15_000  # after the close, as other late lines (traffic.py)
_CORRECTION: Final = 0.25  # what a conflicting copy of a reward says less


def model_name(number: int) -> str:
    """Give the name of the number-th model."""
    return f"model-{number}"


class Delivery:
    """Turns visits into lines; numbers the lines and makes their identifiers."""

    def __init__(self, mint: Mint, items: list[str], rules: Rules) -> None:
        """Take the JSON texts of the items, by number."""
        self.mint = mint
        self._items = items
        self._rules = rules
        self._sequence = count()

    def next_sequence(self) -> int:
        """Give the number of the next line."""
        return next(self._sequence)

    def visit(self, visit: Visit, lines: list[Line]) -> None:
        """Add the decision, its rewards and their copies, in no order."""
        id_s = visit.ms // MS + visit.ahead_s
        decision = self._decision(visit, self.mint.at(id_s), id_s * MS, candidates=visit.count)
        if not visit.lost:
            copy = decision
            if visit.decision_fate.copy == CONFLICT:
                other = self._decision(visit, decision.message_id, id_s * MS, candidates=visit.count + 1)
                copy = other._replace(variant=1)
            self.send(decision, copy, visit.ms, fate=visit.decision_fate, lines=lines)
        for value in (visit.reward_value, visit.extra_value):
            if value:
                self._reward(decision, visit, value, lines=lines)

    def send(self, line: Line, copy: Line, sent_ms: int, *, fate: Fate, lines: list[Line]) -> None:
        """Add a line as it arrives and, when it is its fate, the copy."""
        is_record = line.kind == "record"
        deadline_ms = line.message_ms if is_record else line.decision_ms + self._rules.reward_window_ms
        closed_ms = self._rules.close_ms(deadline_ms) + self._rules.out_of_orderness_ms
        arrival_ms = sent_ms + fate.delay_ms
        if fate.late_by_ms:
            arrival_ms = max(arrival_ms, closed_ms + fate.late_by_ms)
        lines.append(line._replace(arrival_ms=arrival_ms, sequence=self.next_sequence()))
        if fate.copy == NO_COPY:
            return
        copy_ms = arrival_ms + fate.copy_after_ms
        if fate.copy == LATE_COPY:
            copy_ms = max(copy_ms, closed_ms + LATE_COPY_BY_MS + fate.copy_after_ms)
        lines.append(copy._replace(arrival_ms=copy_ms, sequence=self.next_sequence()))

    def _decision(self, visit: Visit, decision_id: str, decision_ms: int, *, candidates: int) -> Line:
        sample = f'"sample":{self._items[visit.sample]},' if visit.count > 1 else ""
        rest = (
            f'"item":{self._items[visit.item]},"count":{candidates},{sample}'
            f'"context":{{"user_id":"u{visit.entity}","hour":{visit.ms // 3_600_000 % 24}}}'
        )
        return decision_line(decision_ms, 0, model=model_name(visit.model), decision_id=decision_id, rest=rest)

    def _reward(self, decision: Line, visit: Visit, value: float, *, lines: list[Line]) -> None:
        earned_ms = visit.ms + visit.reward_after_ms
        id_s = earned_ms // MS + visit.reward_ahead_s
        reward_id = self.mint.at(id_s)
        reward = copy = reward_line(decision, id_s * MS, 0, reward_id=reward_id, value=value)
        if visit.reward_fate.copy == CONFLICT:
            copy = reward_line(decision, id_s * MS, 0, reward_id=reward_id, value=value - _CORRECTION)
        self.send(reward, copy, earned_ms, fate=visit.reward_fate, lines=lines)
