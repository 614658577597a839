"""A training record in its outside form: a label and the features it came with."""

from __future__ import annotations

from typing import Final

from lambda_learner.features.feature import Feature, NameTerm
from lambda_learner.functions import dedupe_preserve_order

__all__ = ["TRAINING_RECORD_REPR_SEPARATOR", "TrainingRecord"]

TRAINING_RECORD_REPR_SEPARATOR: Final = ","


class TrainingRecord:
    """One observation: `label`, `weight` >= 0, `offset` (the fixed effect's score), `features`, `context`.

    `label` is what the logistic trainers want, 1 or -1: any label but 1 reads as -1. `real_label` is the
    number as given, for the square loss. `context` is carried along and never read.

    >>> record = TrainingRecord(4.5, 1.0, 0.0, [Feature("genre", "drama", 1.0)])
    >>> record.label, record.real_label
    (-1, 4.5)
    >>> record
    [TrainingRecord: label = -1; offset = 0.0; weight = 1.0; features = [name: genre, term: drama, value: 1.0]]
    """

    def __init__(
        self,
        label: float,
        weight: float,
        offset: float,
        features: list[Feature],
        context: dict[str, str] | None = None,
    ) -> None:
        self.real_label = label
        self.weight = weight
        self.offset = offset
        self.features = features
        self.context = context

    @property
    def label(self) -> float:
        """The given label if it equals 1, else -1."""
        return self.real_label if self.real_label == 1 else -1

    @property
    def name_terms(self) -> list[NameTerm]:
        """The distinct (name, term) pairs of the features, in the order of their first appearance."""
        return dedupe_preserve_order(feature.name_term for feature in self.features)

    def __repr__(self) -> str:
        """Label, offset, weight and features in one line; the label as the logistic trainers see it."""
        features = TRAINING_RECORD_REPR_SEPARATOR.join(map(str, self.features))
        return (
            f"[TrainingRecord: label = {self.label}; offset = {self.offset}; weight = {self.weight};"
            f" features = {features}]"
        )
