"""What can stop a training, and what to do about it.

RetrainError
├── NoDecisions     there is nothing to train on
├── NoFeatures      the decisions have no value that could be a feature
└── ForeignRows     a table is not one of archived rows
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ForeignRows", "NoDecisions", "NoFeatures", "RetrainError"]


class RetrainError(Exception):
    """Any reason why no model comes out."""


class NoDecisions(RetrainError):
    """No usable decision; `set_aside` says how many rows were there and why they could not be used."""

    def __init__(self, model: str, set_aside: Mapping[str, int]) -> None:
        why = ", ".join(f"{rows} {reason}" for reason, rows in sorted(set_aside.items()) if rows) or "there are no rows"
        super().__init__(
            f"model {model!r} has no decision to train on ({why}): train it when decisions with an item are archived"
        )
        self.set_aside = dict(set_aside)


class NoFeatures(RetrainError):
    """Every item and context is null or empty."""

    def __init__(self, model: str, decisions: int) -> None:
        super().__init__(
            f"model {model!r} has no features: all items and contexts of its {decisions} decisions are null or empty, "
            "or lie under excluded paths"
        )


class ForeignRows(RetrainError):
    """A table without the columns of the archive."""
