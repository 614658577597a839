"""Mean and standard deviation of numbers that come batch by batch."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Moments"]


class Moments(NamedTuple):
    """How many numbers, their mean and their squared deviations from it (Chan, Golub and LeVeque 1983)."""

    count: int = 0  # type: ignore[assignment]  # hides a tuple's method, which nobody needs here
    mean: float = 0.0
    squares: float = 0.0

    def added(self, values: npt.NDArray[np.float64]) -> Moments:
        """The moments with a batch added; any cut into batches gives the same up to rounding."""
        if not len(values):
            return self
        mean, n = float(values.mean()), self.count + len(values)
        shift = mean - self.mean
        squares = float(((values - mean) ** 2).sum()) + shift**2 * self.count * len(values) / n
        return Moments(n, self.mean + shift * len(values) / n, self.squares + squares)

    @property
    def deviation(self) -> float:
        """The sample standard deviation; 1 where there is none: a single number, or all are the same."""
        variance = self.squares / (self.count - 1) if self.count > 1 else 0.0
        return math.sqrt(variance) or 1.0
