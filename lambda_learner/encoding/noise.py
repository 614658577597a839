"""The noise of a vector: one number u in [0, 1) that is spread over all its values.

    value → (value + u·2⁻¹⁴²) · (1 + u·2⁻¹⁷)

The shift gives zeros distinct values too, subnormal in 32 bits: a process that flushes those to zero loses it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["sprinkle", "to_float32"]

_SHIFT: Final = 2.0**-142
_SCALE: Final = 2.0**-17
_LARGEST: Final = float(np.finfo(np.float32).max)


def sprinkle(values: npt.NDArray[np.float64], noise: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The values with noise; NaN stays NaN. A noise for each row of a matrix has the shape (rows, 1)."""
    with np.errstate(over="ignore"):  # 1e308 becomes infinite, which to_float32 cuts as it does 1e308
        noisy: npt.NDArray[np.float64] = (values + noise * _SHIFT) * (1.0 + noise * _SCALE)
    return noisy


def to_float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The values as the booster sees them, cut to what 32 bits hold: XGBoost refuses infinite ones."""
    cut: npt.NDArray[np.float32] = np.clip(values, -_LARGEST, _LARGEST).astype(np.float32)
    return cut
