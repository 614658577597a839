"""What all steps of the demo share: its folder, its time, its screen, and the wish of the user to end."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from jobs.demo_kafka.board import Screen

__all__ = ["Interrupted", "Session"]


class Interrupted(Exception):
    """The user has asked to end."""


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the demo: all its files are in the folder; `limit_s` of traffic at most."""

    folder: Path
    limit_s: float
    screen: Screen
    stop: threading.Event

    def wait(self, seconds: float) -> None:
        """Sleep; raises Interrupted."""
        if self.stop.wait(seconds):
            raise Interrupted

    @property
    def scores(self) -> Path:
        """Where the job writes its scores."""
        return self.folder / "scores.jsonl"
