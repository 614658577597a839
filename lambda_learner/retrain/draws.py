"""Random numbers of a training: functions of (model, request id, decision id), so of no order and no batch.

Two trainings of one model draw differently; a training that is run again draws the same, also when the archive
was compacted in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from lambda_learner.encoding.encoder import MAX_SEED

__all__ = ["Purpose", "Seeds", "digests", "uniform"]

Digests = npt.NDArray[np.uint64]

_STEP: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2⁶⁴ / golden ratio: SplitMix64's
_MULTIPLIERS: Final = (np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB))
_SHIFTS: Final = (np.uint64(30), np.uint64(27), np.uint64(31))
_TO_UNIT: Final = 2.0**-53


class Purpose(IntEnum):
    """What a decision's number is drawn for; each is independent of the others."""

    HELD_OUT = 1
    HELD_OUT_SAMPLE = 2
    BOOTSTRAP = 3
    CONTEXT = 4
    NOISE = 5
    UNUSED = 6


class Seeds(NamedTuple):
    """Seeds of the two models' string hashes (1…2³²-1) and of the decisions' draws (64 bits)."""

    propensity: int
    decision: int
    draws: int

    @classmethod
    def of(cls, model: str, request_id: str) -> Seeds:
        """The seeds of a training."""
        digest = hashlib.sha256(f"{model}\n{request_id}".encode()).digest()
        first, second, draws = (int.from_bytes(digest[at : at + 8], "big") for at in (0, 8, 16))
        return cls(first % MAX_SEED + 1, second % MAX_SEED + 1, draws)


def digests(decision_ids: Iterable[bytes], draws: int) -> Digests:
    """A 64-bit number for each decision, from which its draws come; `draws` is the training's seed."""
    return np.array([xxh3_64_intdigest(decision_id, draws) for decision_id in decision_ids], np.uint64)


def uniform(of: Digests, purpose: Purpose) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each decision: SplitMix64 (Steele et al. 2014) at the purpose's step."""
    mixed = of + np.uint64(int(purpose) * int(_STEP) % 2**64)
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        mixed = (mixed ^ (mixed >> shift)) * multiplier
    mixed = mixed ^ (mixed >> _SHIFTS[-1])
    unit: npt.NDArray[np.float64] = (mixed >> np.uint64(11)) * _TO_UNIT
    return unit
