"""Archived rows (improve_protocol.md §3) made in memory: a few by hand, or the traffic of `simulate`'s world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from lambda_learner.events import ksuid
from lambda_learner.simulate.ids import Mint
from lambda_learner.simulate.traffic import Traffic, visits
from lambda_learner.simulate.world import World

START_S = 1_700_000_000
NONE = object()  # SQL null, where None is JSON's

SCHEMA = pa.schema(
    [
        ("decision_id", pa.string()),
        ("item", pa.string()),
        ("context", pa.string()),
        ("count", pa.float64()),
        ("sample", pa.string()),
        ("rewards", pa.string()),
        ("reward", pa.float64()),
    ]
)


def id_at(second: int, number: int = 0) -> str:
    """A KSUID so many seconds after the start; numbers tell those of one second apart."""
    return ksuid.encode(START_S + second, number.to_bytes(16, "big"))


def row(  # noqa: PLR0913 - the columns
    number: int,
    item: Any,
    *,
    context: Any = None,
    count: float | None = 2,
    sample: Any = NONE,
    rewards: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """One archived row, its decision `number` seconds after the start."""
    rewards = rewards or {}
    return {
        "decision_id": id_at(number),
        "item": _json(item),
        "context": _json(context),
        "count": count,
        "sample": _json(sample),
        "rewards": orjson.dumps(rewards).decode(),
        "reward": float(sum(rewards.values())),
    }


def table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The rows with the archive's columns and types."""
    return pa.Table.from_pylist([dict(each) for each in rows], schema=SCHEMA)


def plain_rows(decisions: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Decisions between three genres of which rock is liked in the morning, jazz in the evening, pop never."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(decisions):
        chosen, other = rng.choice(("rock", "jazz", "pop"), 2, replace=False)
        hour = int(rng.integers(0, 24))
        liked = rng.random() < {"rock": 0.9 if hour < 12 else 0.2, "jazz": 0.2 if hour < 12 else 0.9}.get(chosen, 0.05)
        rewards = {id_at(number + 1, 1): 1.0} if liked else {}
        item, sample = {"genre": chosen, "tempo": float(rng.random())}, {"genre": other, "tempo": float(rng.random())}
        rows.append(row(number, item, context={"hour": hour}, count=3, sample=sample, rewards=rewards))
    return rows


class Simulated(NamedTuple):
    """Simulated rows, and for each the probability of a reward that the world gives."""

    rows: pa.Table
    probability: npt.NDArray[np.float64]


def traffic_rows(decisions: int, *, seed: int = 0, entities: int = 1000) -> Simulated:
    """A day of traffic as `lambda-learner simulate` makes it, archived and merged."""
    world_rng, mint_rng, rng = np.random.default_rng(seed).spawn(3)
    world, mint = World(world_rng, entities=entities), Mint(mint_rng)
    traffic = Traffic(decisions, START_S * 1000, entities=entities, rate=decisions * 1.42 / 86_400)
    drawn = list(visits(traffic, world, rng, start_ms=traffic.start_ms, decisions=decisions))
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for visit in drawn:
        values = [value for value in (visit.reward_value, visit.extra_value) if value]
        rewards = {mint.at((visit.ms + visit.reward_after_ms) // 1000): value for value in values}
        columns["decision_id"].append(mint.at(visit.ms // 1000))
        columns["item"].append(world.items[visit.item])
        columns["context"].append(f'{{"hour":{visit.ms // 3_600_000 % 24},"user_id":"u{visit.entity}"}}')
        columns["count"].append(float(visit.count))
        columns["sample"].append(world.items[visit.sample] if visit.count > 1 else None)
        columns["rewards"].append(orjson.dumps(rewards, option=orjson.OPT_SORT_KEYS).decode())
        columns["reward"].append(sum(values))
    entity, item, model = (np.array([getattr(visit, name) for visit in drawn]) for name in ("entity", "item", "model"))
    return Simulated(pa.table(columns, SCHEMA), world.reward_probability(entity, item, model))


def _json(value: Any) -> str | None:
    return None if value is NONE else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
