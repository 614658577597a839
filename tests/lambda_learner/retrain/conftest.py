"""A store in memory that can die at one of its writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambda_learner.publish.errors import PreconditionFailed
from lambda_learner.publish.store import Object, ObjectInfo, etag_of


class Crash(Exception):
    """The process dies here."""


class MemoryStore:
    """Counts its writes and deletions; dies before or after the one that it is told to."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.writes = 0
        self.crash_at: int | None = None
        self.crash_after_writing = False

    def get(self, key: str) -> Object | None:
        data = self.objects.get(key)
        return None if data is None else Object(data, etag_of(data))

    def put(self, key: str, data: bytes) -> None:
        self._change(key, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        held = self.get(key)
        if (held.etag if held else None) != etag:
            raise PreconditionFailed(key)
        self._change(key, data)
        return etag_of(data)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(self.objects[key]), 0, "")

    def delete(self, key: str) -> None:
        self._change(key, None)

    def _change(self, key: str, data: bytes | None) -> None:
        due = self.writes == self.crash_at
        self.writes += 1
        if due and not self.crash_after_writing:
            raise Crash
        if data is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = data
        if due:
            raise Crash


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="session")
def crash() -> type[Exception]:
    return Crash
