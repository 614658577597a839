"""How a training tells how far it is."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Report", "silent"]


class Report(Protocol):
    """Takes what is done of a stage: decisions read or encoded, or trees; `total` None where it is not known.

    The stages in order: read, propensity, weights, decision. An exception that it raises ends the training.
    """

    def __call__(self, stage: str, done: int, total: int | None, /) -> None:
        """Take a step of a stage."""


def silent(_stage: str, _done: int, _total: int | None, /) -> None:
    """Tell nobody."""
