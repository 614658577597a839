"""One model's policy, and lines, rows and windows for it, as the pure tests of operators and jobs need them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from lambda_learner.events.forgets import forget_line
from lambda_learner.events.ksuid import encode
from lambda_learner.features.spec import FeatureSpec
from lambda_learner.join import RewardPolicy
from lambda_learner.learn.state import LearnerSettings
from lambda_learner.policy import ModelPolicy
from operators.rows import CHUNK, FIELD, GROUP, NOTE, ROW

T0_S = 1_700_000_000 - 1_700_000_000 % 60
T0_MS = T0_S * 1000  # the start of a minute

POLICY = ModelPolicy(
    reward=RewardPolicy(window_ms=20_000),
    update_interval_ms=10_000,
    entity_paths=("context.user",),
    features=FeatureSpec.parse(["item"], entity_paths=["context.user"]),
    learner=LearnerSettings(),
    generation="0123456789ab",
    shards=2,
)
ONE_ENTITY_POLICY = replace(POLICY, entity_paths=())


def ksuid(second: int, number: int = 0) -> str:
    """The id of a second after T0."""
    return encode(T0_S + second, number.to_bytes(16, "big"))


def line(**fields: Any) -> bytes:
    return orjson.dumps(fields)


def decision_line(second: int, number: int = 0, *, user: Any = "u", **fields: Any) -> bytes:
    """A decision of a user; without `user` if that is None."""
    context = {} if user is None else {"user": user}
    given = {"message_id": ksuid(second, number), "model": "m", "count": 1, "item": {"a": 1}, "context": context}
    return line(**given | fields)


def reward_line(second: int, number: int, decision_id: str, reward: float = 1.0, **fields: Any) -> bytes:
    given = {"message_id": ksuid(second, number), "model": "m", "decision_id": decision_id, "reward": reward}
    return line(**given | fields)


def record_line(second: int, number: int = 0, *, entity: Any = "u", **fields: Any) -> bytes:
    features = [{"name": "item.a", "term": "", "value": 1}]
    given = {"type": "record", "message_id": ksuid(second, number), "model": "m", "entity": entity, "label": 1}
    return line(**given | {"features": features} | fields)


def forgetting_line(second: int, number: int = 0, *, user: Any = "u") -> bytes:
    """What `lambda-learner forget` writes in a second after T0."""
    return forget_line(ksuid(second, number), "m", [user], received_ms=T0_MS + second * 1000)


class Joined(dict[tuple[int, str, str | None], str]):
    """What the batch stage hands to learn: joined rows as one text by close in ms, model and entity."""


def joined(rows: Iterable[str]) -> Joined:
    """What SQL makes of rows: the layout of `operators/rows.py` cut as `operators/join.py` and `batch.py` do."""
    windows: defaultdict[tuple[int, str, str], list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        rowtime, _, key, *rest = row.split(FIELD)
        if key != "H":
            model, note, *contents = rest
            window = int(rowtime) // 1000 * 1000 + 1000, model, key
            windows[window].append((note, "".join(contents)))
    batches: defaultdict[tuple[int, str, str | None], list[str]] = defaultdict(list)
    for (close_ms, model, key), copies in windows.items():
        content = max((text for _, text in copies), key=str.encode)
        entity = f"{content}{GROUP}".split(GROUP)[1].partition(CHUNK)[0]
        notes = NOTE.join(note for note, _ in copies)
        batches[close_ms, model, entity or None].append(f"{key}{content}{FIELD}{notes}")
    return Joined({key: ROW.join(texts) for key, texts in batches.items()})


def core_of(text: str) -> Mapping[str, Any]:
    """The decision in one joined row."""
    core: Mapping[str, Any] = orjson.loads(text[28:].partition(CHUNK)[0] + "}")
    return core
