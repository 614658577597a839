"""One simulated line of the log: its text, and the facts about it that the truth is worked out from."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["MS", "Kind", "Line", "decision_line", "heartbeat_line", "render", "reward_line"]

MS: Final = 1000  # milliseconds in a second, the resolution of a KSUID

Kind: TypeAlias = Literal["decision", "reward", "record", "heartbeat", "bad"]


class Line(NamedTuple):
    """A line and when it arrives; lines compare by (arrival_ms, sequence), and no two have the same pair.

    `body` is a JSON object without its closing brace, or the whole line as bytes when it is no such thing.
    `message_ms` is the raw time of `message_id` (of a heartbeat: its own). `decision_*`: of a decision and of
    a reward. `variant` tells conflicting copies of a decision apart. `reason`: why a bad line is refused.
    """

    arrival_ms: int
    sequence: int
    kind: Kind
    body: str | bytes
    model: str = ""
    message_id: str = ""
    message_ms: int = 0
    decision_id: str = ""
    decision_ms: int = 0
    value: float = 0.0
    variant: int = 0
    reason: str = ""


def render(line: Line, *, stamped: bool) -> bytes:
    """Give the bytes of a line, newline included; `stamped` lines carry `received_at`."""
    body = line.body
    if isinstance(body, bytes):
        return body + b"\n"
    if stamped:
        return f'{body},"received_at":{line.arrival_ms}}}\n'.encode()
    return f"{body}}}\n".encode()


def decision_line(decision_ms: int, sequence: int, *, model: str, decision_id: str, rest: str) -> Line:
    """Give a decision that arrives at the time of its id; `rest`: its JSON text after id and model."""
    body = f'{{"message_id":"{decision_id}","model":"{model}",{rest}'
    return Line(decision_ms, sequence, "decision", body, model, decision_id, decision_ms, decision_id, decision_ms)


def reward_line(decision: Line, reward_ms: int, sequence: int, *, reward_id: str, value: float) -> Line:
    """Give a reward for a decision that arrives at the time of its own id."""
    model, decision_id, decision_ms = decision.model, decision.decision_id, decision.decision_ms
    body = f'{{"message_id":"{reward_id}","model":"{model}","reward":{value!r},"decision_id":"{decision_id}"'
    return Line(reward_ms, sequence, "reward", body, model, reward_id, reward_ms, decision_id, decision_ms, value)


def heartbeat_line(time_ms: int, sequence: int) -> Line:
    """Give the line that says that time has come this far."""
    return Line(time_ms, sequence, "heartbeat", f'{{"type":"heartbeat","time":{time_ms}', message_ms=time_ms)
