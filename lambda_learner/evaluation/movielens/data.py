"""The ratings as arrays: who rated what in order of time, liked or not, and what is known of both.

Movie features: an intercept, 19 genres, year / 2000. User features: an intercept, age / 100, both genders,
21 occupations. A year that is not known is the mean of those that are: as 0 it would be an outlier by 2,000
years in the one feature that carries much (the AUC of the global model falls by .004).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from lambda_learner.learn.posterior import FloatArray
from lambda_learner.simulate.movielens import LIKED_ABOVE, MovieLens

__all__ = ["IntArray", "Ratings", "as_arrays"]

IntArray = npt.NDArray[np.int64]
AGE_SCALE: Final = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """n ratings by time, ties by their place in the file.

    users, movies: (n,), rows of the tables. labels: (n,), +1 for more than three stars, else -1.
    user_features: (943, 25), movie_features: (1682, 21), each with the intercept first.
    """

    users: IntArray
    movies: IntArray
    labels: FloatArray
    user_features: FloatArray
    movie_features: FloatArray

    def global_features(self) -> FloatArray:
        """What the global model sees of each rating: one intercept, the movie and the user; (n, 45)."""
        return np.hstack([self.movie_features[self.movies], self.user_features[self.users, 1:]])


def as_arrays(data: MovieLens) -> Ratings:
    """The data set as arrays; tables are in the order of its files, indicator columns in that of the alphabet."""
    stars = np.array([rating[3] for rating in data.ratings])
    return Ratings(
        users=_rows(data.users, (rating[1] for rating in data.ratings)),
        movies=_rows(data.movies, (rating[2] for rating in data.ratings)),
        labels=np.where(stars > LIKED_ABOVE, 1.0, -1.0),
        user_features=_user_features([orjson.loads(text) for text in data.users.values()]),
        movie_features=_movie_features([orjson.loads(text) for text in data.movies.values()]),
    )


def _rows(table: Mapping[str, str], ids: Iterable[str]) -> IntArray:
    row_of = {key: row for row, key in enumerate(table)}
    return np.array([row_of[key] for key in ids], dtype=np.int64)


def _movie_features(items: list[dict[str, Any]]) -> FloatArray:
    genres = _indicators([item["genres"] for item in items])
    years = np.array([item.get("year", np.nan) for item in items])
    years[np.isnan(years)] = np.nanmean(years)
    return np.column_stack([np.ones(len(items)), genres, years])


def _user_features(contexts: list[dict[str, Any]]) -> FloatArray:
    ages = np.array([context["age"] for context in contexts]) / AGE_SCALE
    genders = _indicators([[context["gender"]] for context in contexts])
    occupations = _indicators([[context["occupation"]] for context in contexts])
    return np.column_stack([np.ones(len(contexts)), ages, genders, occupations])


def _indicators(sets: list[list[str]]) -> FloatArray:
    """One 0/1 column for each term that occurs."""
    terms = sorted({term for each in sets for term in each})
    return np.array([[float(term in each) for term in terms] for each in sets])
