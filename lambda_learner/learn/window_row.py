"""What a window holds of one key: a joined row, and what the base says of it."""

from __future__ import annotations

from typing import NamedTuple

from lambda_learner.join import JoinedRow
from lambda_learner.learn.base_change import NO_BASE

__all__ = ["WindowRow"]


class WindowRow(NamedTuple):
    """The lines of one key in a window.

    `kind` is D (a decision and its rewards), T (a training record) or F (its entity is to be forgotten). `offset` is
    what the base gives a decision. `base_version` is that of the base active at the window's end, the same for all its
    rows but those of orphaned rewards and of F, which have none.
    """

    kind: str
    row: JoinedRow
    offset: float = 0.0
    base_version: str = NO_BASE
