"""What both models of a training are made with: settings, seeds, memory and who is told of the progress."""

from __future__ import annotations

from dataclasses import dataclass

from lambda_learner.encoding import Width, narrow, wide
from lambda_learner.retrain.boost import Matrix, Room
from lambda_learner.retrain.draws import Seeds
from lambda_learner.retrain.progress import Report
from lambda_learner.retrain.settings import TrainingSettings
from lambda_learner.retrain.spool import Spool

__all__ = ["Workplace"]


@dataclass(frozen=True, slots=True)
class Workplace:
    """One training's surroundings."""

    settings: TrainingSettings
    seeds: Seeds
    report: Report

    @property
    def hash_seeds(self) -> tuple[int, int]:
        """The seeds that strings are hashed with."""
        return self.seeds.propensity, self.seeds.decision

    @property
    def width(self) -> Width:
        """The width of string tables' entries."""
        return narrow if self.settings.is_gym else wide

    @property
    def max_strings(self) -> int:
        """Distinct strings that are counted: 40 bytes each, three times that while they are merged."""
        return max(self.settings.max_memory_bytes // 640, 20_000)

    @property
    def room(self) -> Room:
        """XGBoost's share: a quarter of the memory for rows, and as much for the bins of their values."""
        return Room(self.settings.max_memory_bytes // 4, self.settings.spool_folder)

    def spool(self, *, share: int) -> Spool:
        """A spool for that part of the memory (8: an eighth)."""
        return Spool(self.settings.max_memory_bytes // share, self.settings.spool_folder)

    def matrix(self) -> Matrix:
        """Rows to fit, for a sixteenth of the memory; close its pages."""
        return Matrix(self.spool(share=16))
