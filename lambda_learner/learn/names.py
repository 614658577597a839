"""The names of an entity's coefficients, and what is worked out of them once: they seldom change."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import groupby
from typing import Final, NamedTuple, TypeAlias

__all__ = ["INTERCEPT", "FeatureKey", "Names", "Runs"]

FeatureKey: TypeAlias = tuple[str, str]  # name, term

INTERCEPT: Final[FeatureKey] = ("intercept", "intercept")


class Runs(NamedTuple):
    """Names without their repetitions: how many coefficients each run of equal names has.

    text: the names of the runs, then all terms, one after the other; lengths: those of each, in characters.
    """

    counts: tuple[int, ...]
    text: str
    lengths: tuple[int, ...]


class Names(tuple[FeatureKey, ...]):
    """One (name, term) a coefficient: the intercept first, the others sorted, so that their order has no history."""

    @cached_property
    def index_by_key(self) -> Mapping[FeatureKey, int]:
        """Where each of the names is."""
        return dict(zip(self, range(len(self)), strict=True))

    @cached_property
    def runs(self) -> Runs:
        """The names as they are written down."""
        names, terms = zip(*self, strict=True)
        runs = [(name, len(list(equal))) for name, equal in groupby(names)]
        texts = (*(name for name, _ in runs), *terms)
        return Runs(tuple(n for _, n in runs), "".join(texts), tuple(map(len, texts)))
