"""Decisions and rewards as protocol 8 has them (spec/improve_protocol.md §2, §3); version 7 is translated.

What a decision may have beyond the protocol is in optional.py.
"""

from __future__ import annotations

from typing import Any

from lambda_learner.events import version7
from lambda_learner.events.bad_record import BadRecord, show
from lambda_learner.events.fields import Fields, canonical_json, id_ms, missing
from lambda_learner.events.optional import OPTIONAL, check_item, optional
from lambda_learner.events.schema import Decision, Reward

__all__ = ["decision", "reward"]


def decision(fields: Fields, *, model: str, decision_ms: int, arrival_ms: int) -> Decision:
    """The decision of a line that has a count; its id and model are checked already.

    A missing sample is taken though count > 1, as the original does: training leaves such a row's sample out.
    """
    count = _count(fields)
    runners_up: list[Any] = []
    if version7.is_version_7(fields):
        fields, runners_up = version7.translate(fields, count)
    item, context = fields.get("item"), fields.get("context")
    message_id: str = fields["message_id"]
    core: Fields = {"context": context, "count": count, "item": item}
    rest: Fields = {"message_id": message_id, "model": model}  # what sorts after the item
    sample, has_sample = None, "sample" in fields
    if has_sample:
        sample = rest["sample"] = fields["sample"]
        if count == 1 + len(runners_up):
            raise _unexpected_sample(sample)
    if runners_up:
        rest["runners_up"] = runners_up  # how many candidates the sample stands for depends on it
    for name in OPTIONAL:
        if fields.get(name) is not None:
            (core if name == "candidates" else rest)[name] = optional(name, fields[name], count=count)
    text = canonical_json(core)
    payload = f"{text[:-1]},{canonical_json(rest)[1:]}"
    if "candidates" in core:
        check_item(core["candidates"], item)
    event_ms = decision_ms if decision_ms < arrival_ms else arrival_ms
    return Decision(
        message_id, model, item, count, context, has_sample, sample, decision_ms, arrival_ms, event_ms, payload, text
    )


def reward(fields: Fields, *, model: str, reward_ms: int, arrival_ms: int, latest_ms: int) -> Reward:
    """The reward of a line without a count; its own id and model are checked already."""
    decision_ms = id_ms(fields, "decision_id", latest_ms=latest_ms)
    value = fields.get("reward")
    if not isinstance(value, (int, float)):  # a boolean is an integer: true is 1
        if "reward" not in fields:
            raise missing(field="reward", accepted="a number")
        raise BadRecord(reason="bad_reward", field="reward", value=show(value), rule="must be a number")
    event_ms = min(reward_ms, arrival_ms)
    return Reward(fields["message_id"], model, fields["decision_id"], float(value), decision_ms, arrival_ms, event_ms)


def _count(fields: Fields) -> int:
    count = fields["count"]
    if not isinstance(count, int) or count < 1:  # true passes as 1, in the original too
        raise BadRecord(reason="bad_count", field="count", value=show(count), rule="must be an integer ≥ 1")
    return int(count)


def _unexpected_sample(sample: object) -> BadRecord:
    rule = "must not be there, not even null, when count leaves no other candidate to draw it from"
    return BadRecord(reason="unexpected_sample", field="sample", value=show(sample), rule=rule)
