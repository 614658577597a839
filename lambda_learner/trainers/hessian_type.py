"""What a trainer returns as the precision of its result."""

from __future__ import annotations

from enum import Enum

__all__ = ["HessianType"]


class HessianType(Enum):
    """The form of the precision that `train` returns; the numbers are the original's, 3 is not used."""

    FULL = 0
    """The whole matrix."""
    DIAGONAL = 1
    """The diagonal of the full one, as a diagonal matrix."""
    IDENTITY = 2
    """The identity, whatever was learned."""
    NONE = 4
    """None."""
