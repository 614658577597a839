"""What is published of one entity: its posterior and all that its learner needs to go on from there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lambda_learner.learn.state import Noise

__all__ = ["EntityCoefficients", "FloatArray", "NameTerm", "Tombstone", "Update", "newest_of_each"]

FloatArray = npt.NDArray[np.float64]
NameTerm = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class EntityCoefficients:
    """The posterior of one entity at a window's close.

    `mean` has one value a name, in their order; `precision` is its diagonal (d,) or the full matrix (d, d).
    `close_ms` is the end of the last window learned (the learner's fence; the file's `updated_at`), `count`
    the records learned so far. Files hold the names in order, so what is read back may be a permutation of
    what was written. `noise` is what the learner knows of the noise variance where it estimates it; `precision` is
    the one at that estimate. The arrays must not be written to: those read from a file share its memory.
    """

    entity: str
    close_ms: int
    count: int
    names: tuple[NameTerm, ...]
    mean: FloatArray
    precision: FloatArray
    base_version: str = ""
    noise: Noise = Noise()

    def __post_init__(self) -> None:
        """Refuse shapes that don't fit together."""
        size = len(self.names)
        if size == 0 or self.mean.shape != (size,) or self.precision.shape not in {(size,), (size, size)}:
            message = (
                f"{size} names (at least 1) need a mean of shape ({size},) and a precision of ({size},) "
                f"or ({size}, {size}); got {self.mean.shape} and {self.precision.shape} "
                f"(entity {self.entity[:80]!r})"
            )
            raise ValueError(message)

    @property
    def is_full(self) -> bool:
        """Whether the precision is a full matrix."""
        return self.precision.ndim == 2  # noqa: PLR2004 - a matrix has two axes


class Tombstone(NamedTuple):
    """An entity that is dropped, and the close at which it was."""

    entity: str
    close_ms: int


Update = EntityCoefficients | Tombstone


def newest_of_each(updates: Iterable[Update]) -> dict[str, Update]:
    """Give each entity's update of the latest close (of equal closes the last), in order of entity."""
    newest: dict[str, Update] = {}
    for update in updates:
        held = newest.get(update.entity)
        if held is None or update.close_ms >= held.close_ms:
            newest[update.entity] = update
    return {entity: newest[entity] for entity in sorted(newest)}
