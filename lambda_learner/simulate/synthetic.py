"""Synthetic traffic as a log in order of arrival, with everything that goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from lambda_learner.simulate.arrivals import Block, in_order, with_heartbeats
from lambda_learner.simulate.bad import bad_body
from lambda_learner.simulate.delivery import Delivery, model_name
from lambda_learner.simulate.ids import Mint
from lambda_learner.simulate.lines import MS, Line
from lambda_learner.simulate.traffic import COPY, NO_COPY, Fate, Traffic, visits
from lambda_learner.simulate.world import GENRES, World

__all__ = ["HEARTBEAT_EVERY_MS", "event_lines"]

HEARTBEAT_EVERY_MS: Final = 10_000
_BLOCK: Final = 4096  # decisions drawn at once
_RECORD_LATE_BY_MS: Final = 20_000


def event_lines(
    traffic: Traffic, rng: np.random.Generator, *, heartbeat_every_ms: int | None = HEARTBEAT_EVERY_MS
) -> Iterator[Line]:
    """Give the log. One seed and one traffic give the same lines; about 10 µs a line."""
    lines = in_order(_Stream(traffic, rng).blocks())
    return with_heartbeats(lines, every_ms=heartbeat_every_ms) if heartbeat_every_ms else lines


class _Stream:
    """The world and the running numbers behind one log."""

    def __init__(self, traffic: Traffic, rng: np.random.Generator) -> None:
        world_rng, mint_rng, self._rng = rng.spawn(3)
        self._traffic = traffic
        self._world = World(world_rng, entities=traffic.entities)
        self._delivery = Delivery(Mint(mint_rng), self._world.items, traffic.rules)
        self._bad_lines_so_far = 0

    def blocks(self) -> Iterator[Block]:
        """Give the lines of a few thousand visits at a time; a block starts where the one before ended."""
        start_ms = self._traffic.start_ms
        for first in range(0, self._traffic.decisions, _BLOCK):
            decisions = min(_BLOCK, self._traffic.decisions - first)
            lines: list[Line] = []
            until_ms = start_ms
            drawn = visits(self._traffic, self._world, self._rng, start_ms=start_ms, decisions=decisions)
            for visit in drawn:
                self._delivery.visit(visit, lines)
                until_ms = visit.ms
            self._bad_lines(self._times(self._traffic.bad * decisions, start_ms, until_ms), lines)
            self._records(self._times(self._traffic.records * decisions, start_ms, until_ms), lines)
            yield Block(until_ms, lines)
            start_ms = until_ms

    def _times(self, mean: float, start_ms: int, until_ms: int) -> list[int]:
        times: list[int] = self._rng.integers(start_ms, until_ms + 1, self._rng.poisson(mean)).tolist()
        return times

    def _bad_lines(self, times_ms: list[int], lines: list[Line]) -> None:
        for ms in times_ms:
            message_id, model = self._delivery.mint.at(ms // MS), model_name(ms % self._traffic.models)
            body, reason = bad_body(self._bad_lines_so_far, message_id=message_id, model=model)
            self._bad_lines_so_far += 1
            lines.append(Line(ms, self._delivery.next_sequence(), "bad", body, reason=reason))

    def _records(self, times_ms: list[int], lines: list[Line]) -> None:
        n = len(times_ms)
        genres = self._rng.integers(0, GENRES, n).tolist()
        entities = self._rng.integers(0, self._traffic.entities, n).tolist()
        late_by_ms = ((self._rng.random(n) < self._traffic.late) * _RECORD_LATE_BY_MS).tolist()
        copies = np.where(self._rng.random(n) < self._traffic.duplicates, COPY, NO_COPY).tolist()
        draws = zip(times_ms, genres, entities, late_by_ms, copies, strict=True)
        for ms, genre, entity, late_ms, copy in draws:
            record = self._record(ms // MS, genre, f"u{entity}", model_name(ms % self._traffic.models))
            self._delivery.send(record, record, ms, fate=Fate(50, late_ms, copy, 500), lines=lines)

    def _record(self, unix_s: int, genre: int, entity: str, model: str) -> Line:
        message_id = self._delivery.mint.at(unix_s)
        label = 1 if genre % 2 else -1
        body = (
            f'{{"type":"record","message_id":"{message_id}","model":"{model}","entity":"{entity}",'
            f'"label":{label},"weight":1.0,"offset":0.0,'
            f'"features":[{{"name":"item.genre","term":"g{genre}","value":1.0}}]'
        )
        return Line(unix_s * MS, 0, "record", body, model, message_id, unix_s * MS)
