"""The people of the demo: who visits, what is offered to them, and what they like. The job sees their rewards alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["CANDIDATES", "REGULARS", "Visit", "World"]

TOPICS: Final = (
    "art", "books", "cars", "films", "food", "garden", "health", "music", "science", "space", "sport", "travel",
)  # fmt: skip
FORMS: Final = ("audio", "quiz", "text", "video")
REGULARS: Final = 24  # who come again and again, so that something is learned of each within a minute
NEW_SHARE: Final = 0.2  # of the visits are by people who come once: nothing is ever known of them alone
CANDIDATES: Final = 6
# Log-odds. People differ more from each other than topics do, so that a model of each pays; what all like in common is
# what a model of all can learn for those who are new.
_BIAS: Final = -1.2
_COMMON_SPREAD: Final = 0.9
_OWN_SPREAD: Final = 1.2

Item = Mapping[str, str]
_Floats = npt.NDArray[np.float64]


class Visit(NamedTuple):
    """One person's visit: what is on offer, and how likely each item is to bring a reward, which nobody is told."""

    user: str
    is_new: bool
    candidates: tuple[Item, ...]
    chances: tuple[float, ...]

    @property
    def by_chance(self) -> float:
        """The reward to expect of a random choice."""
        return sum(self.chances) / len(self.chances)

    @property
    def best(self) -> float:
        """The reward to expect of the best choice."""
        return max(self.chances)


class World:
    """Stories of a topic and a form each, and tastes: one for each regular, the common one for those who are new."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw the tastes."""
        kinds = len(TOPICS) + len(FORMS)
        self._common: _Floats = rng.normal(0.0, _COMMON_SPREAD, kinds)
        self._own: _Floats = self._common + rng.normal(0.0, _OWN_SPREAD, (REGULARS, kinds))
        self._newcomers = 0

    def visits(self, rng: np.random.Generator) -> Iterator[Visit]:
        """Visits without end, a function of the generators."""
        while True:
            if rng.random() < NEW_SHARE:
                self._newcomers += 1
                yield _visit(f"new-{self._newcomers}", self._common, rng, is_new=True)
            else:
                regular = int(rng.integers(REGULARS))
                yield _visit(f"user-{regular}", self._own[regular], rng, is_new=False)


def _visit(user: str, taste: _Floats, rng: np.random.Generator, *, is_new: bool) -> Visit:
    """Different stories, drawn from all there are."""
    drawn = rng.choice(len(TOPICS) * len(FORMS), CANDIDATES, replace=False)
    topics, forms = np.divmod(drawn, len(FORMS))
    log_odds = _BIAS + taste[topics] + taste[len(TOPICS) + forms]
    candidates = tuple({"topic": TOPICS[t], "form": FORMS[f]} for t, f in zip(topics, forms, strict=True))
    return Visit(user, is_new, candidates, tuple((1.0 / (1.0 + np.exp(-log_odds))).tolist()))
