"""Stores in memory and small posteriors for the bucket's tests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest

from lambda_learner.publish.coefficients import EntityCoefficients, NameTerm
from lambda_learner.publish.errors import PreconditionFailed
from lambda_learner.publish.store import Object, ObjectInfo, etag_of


class Crash(Exception):
    """The process dies here."""


class MemoryStore:
    """A store in memory: counts its writes, can be told to die at one, and has a clock of its own."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.modified_ms: dict[str, int] = {}
        self.now_ms = 0
        self.writes = 0
        self.reads: list[str] = []
        self.crash_at: int | None = None
        self.crash_after_writing = False

    def get(self, key: str) -> Object | None:
        self.reads.append(key)
        data = self.objects.get(key)
        return None if data is None else Object(data, etag_of(data))

    def put(self, key: str, data: bytes) -> None:
        due = self.writes == self.crash_at
        self.writes += 1
        if due and not self.crash_after_writing:
            raise Crash
        self.objects[key] = data
        self.modified_ms[key] = self.now_ms
        if due:
            raise Crash

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        held = self.objects.get(key)
        if (None if held is None else etag_of(held)) != etag:
            raise PreconditionFailed(key)
        self.put(key, data)
        return etag_of(data)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(self.objects[key]), self.modified_ms[key], "")

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


@pytest.fixture(scope="session")
def new_store() -> Callable[[], MemoryStore]:
    return MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="session")
def coefficients() -> Callable[..., EntityCoefficients]:
    """Builds coefficients of an entity: other numbers at each call, the same in each run."""
    seeds = count()

    def build(
        entity: str,
        *,
        close_ms: int = 1000,
        names: Sequence[NameTerm] = (),
        full: bool = False,
        **fields: Any,
    ) -> EntityCoefficients:
        rng = np.random.default_rng(next(seeds))
        given = tuple(names) or (("intercept", "intercept"), ("item.genre", "drama"), ("item.price", ""))
        size = len(given)
        precision = rng.uniform(0.5, 9.0, size)
        if full:
            root = rng.normal(size=(size, size))
            precision = root @ root.T + np.diag(precision)
        return EntityCoefficients(
            entity, close_ms, fields.pop("count", 7), given, rng.normal(size=size), precision, **fields
        )

    return build


@pytest.fixture(scope="session")
def fields_of() -> Callable[[EntityCoefficients], tuple[Any, ...]]:
    """Gives a value to compare coefficients by, bit for bit and whatever the order of their names."""

    def fields(of: EntityCoefficients) -> tuple[Any, ...]:
        order = sorted(range(len(of.names)), key=of.names.__getitem__)
        precision = of.precision[np.ix_(order, order)] if of.is_full else of.precision[order]
        names = tuple(of.names[index] for index in order)
        return (
            of.entity,
            of.close_ms,
            of.count,
            names,
            of.mean[order].tobytes(),
            precision.tobytes(),
            of.base_version,
            struct.pack("<dd", *of.noise),
        )

    return fields
