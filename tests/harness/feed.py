"""Lines that a test makes by hand, and a folder that they are put in as a track endpoint would do it."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lambda_learner.events.ksuid import encode

BEAT_SECONDS = 1.0  # between two heartbeats, as the track endpoint has it


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Maker:
    """Makes lines with ids from a seed; `received_at` is the time that the caller gives."""

    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def id_at(self, ms: int) -> str:
        return encode(ms // 1000, self.dice.randbytes(16))

    def decision(self, ms: int, model: str = "m", *, at: int | None = None, **fields: Any) -> dict[str, Any]:
        """A decision of a time, which arrives then or `at` another time."""
        line = {"message_id": self.id_at(ms), "model": model, "count": 1, "item": {"genre": "jazz"}}
        return line | fields | {"received_at": ms if at is None else at}

    def reward(self, decision: dict[str, Any], ms: int, value: Any = 1) -> dict[str, Any]:
        line = {"message_id": self.id_at(ms), "model": decision["model"], "reward": value}
        return line | {"decision_id": decision["message_id"], "received_at": ms}


def heartbeat(ms: int) -> dict[str, Any]:
    return {"type": "heartbeat", "time": ms, "received_at": ms}


def text(lines: Iterable[dict[str, Any] | bytes]) -> bytes:
    """The lines as a file has them; bytes are lines as they are."""
    whole = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return b"".join(line + b"\n" for line in whole)


class Folder:
    """A folder of event files: each gets its name when it is complete."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = itertools.count()
        path.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes, suffix: str = ".jsonl") -> Path:
        """Write a file under a hidden name, then rename it."""
        path = self.path / f"events-{next(self._numbers):06d}{suffix}"
        hidden = path.with_name(f".{path.name}")
        hidden.write_bytes(data)
        return hidden.rename(path)


class Heart:
    """Puts a heartbeat into the folder each second, from a thread, until the context ends."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._folder.put(text([heartbeat(now_ms())]))
