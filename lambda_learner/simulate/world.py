"""The hidden world behind synthetic traffic: items on offer, and what each entity likes."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

__all__ = ["GENRES", "World"]

GENRES: Final = 20
ITEMS: Final = 1000
MAX_TASTES: Final = 4096  # entities beyond these share tastes, so that memory does not grow with them
_TAGS: Final = ("calm", "classic", "dark", "family", "fun", "long", "new", "slow", "smart", "warm")
_COUNTRIES: Final = ("DE", "FR", "JP", "US")
# Log-odds: entities differ far more by genre than items do, so that a model of each entity pays.
_BIAS: Final = -0.7  # about two rewarded decisions in five
_GENRE_SPREAD: Final = 1.5
_QUALITY_SPREAD: Final = 1.0
_FRESH_SPREAD: Final = 0.7

_Ints: TypeAlias = npt.NDArray[np.int64]
_Floats: TypeAlias = npt.NDArray[np.float64]


class World:
    """Items with three to six features, and a logistic model of reward for each entity and model."""

    def __init__(self, rng: np.random.Generator, *, entities: int) -> None:
        """Draw items and tastes."""
        tastes = min(entities, MAX_TASTES)
        self._genre = rng.integers(0, GENRES, size=ITEMS)
        self._quality = np.round(rng.random(ITEMS), 3)
        self._fresh = rng.random(ITEMS) < 0.5  # noqa: PLR2004  # every second item
        self._likes_genre = rng.normal(0.0, _GENRE_SPREAD, size=(tastes, GENRES))
        self._likes_quality = rng.normal(0.0, _QUALITY_SPREAD, size=tastes)
        self._likes_fresh = rng.normal(0.0, _FRESH_SPREAD, size=tastes)
        self.items: list[str] = [self._text(place, rng) for place in range(ITEMS)]

    def reward_probability(self, entity: _Ints, item: _Ints, model: _Ints) -> _Floats:
        """Give the probability of a reward for each (entity, item, model); arrays of one length."""
        taste = (entity + 7 * model) % len(self._likes_quality)  # an entity's taste differs between models
        log_odds = (
            _BIAS
            + self._likes_genre[taste, self._genre[item]]
            + self._likes_quality[taste] * (2.0 * self._quality[item] - 1.0)
            + self._likes_fresh[taste] * self._fresh[item]
        )
        probability: _Floats = 1.0 / (1.0 + np.exp(-log_odds))
        return probability

    def _text(self, place: int, rng: np.random.Generator) -> str:
        item: dict[str, Any] = {
            "genre": f"g{self._genre[place]}",
            "quality": float(self._quality[place]),
            "tags": rng.choice(_TAGS, size=rng.integers(1, 4), replace=False).tolist(),
            "fresh": bool(self._fresh[place]),
        }
        if place % 2:
            item["price"] = float(np.round(rng.gamma(2.0, 10.0), 2))
        if place % 3 == 0:
            item["maker"] = {"country": str(rng.choice(_COUNTRIES))}
        return orjson.dumps(item).decode()
