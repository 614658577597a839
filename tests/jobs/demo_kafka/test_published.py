from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.demo_kafka.app import Choice
from jobs.demo_kafka.published import LatestModel, Published, Scorer
from lambda_learner.publish.errors import NotPublished
from lambda_learner.publish.model_keys import MODEL_EXTENSION, latest_key
from lambda_learner.publish.store import FolderStore
from lambda_learner.serve import Ranker
from tests.jobs.demo_kafka.fakes import visit

MODEL = "stories"


@dataclass
class Ranks:
    """Coefficients that are published from the second question on, and prefer the last item."""

    asked: list[Any] = field(default_factory=list)
    is_there: bool = True

    def scores(self, items: Sequence[Any], context: Any = None) -> list[float]:
        self.asked.append(context)
        if not self.is_there:
            raise NotPublished(MODEL, "generation.json")
        return [float(place) for place in range(len(items))]


@dataclass
class Model:
    """Prefers the first item; keeps the noise that it was asked with."""

    noises: list[float] = field(default_factory=list)

    def score(self, items: Sequence[Any], context: Any = None, *, noise: float = 0.0) -> npt.ArrayLike:
        self.noises.append(noise)
        return [-float(place) for place in range(len(items))]


def published(ranks: Ranks, model: Scorer | None) -> Published:
    return Published(ranks, lambda: model, np.random.default_rng(2))


def test_regulars_are_ranked_by_coefficients() -> None:
    ranks = Ranks()
    assert published(ranks, None).choose(visit((0.0,) * 4), 0.0) == Choice(3, "coefficients")
    assert ranks.asked == [{"user": "user-1"}]


def test_new_people_are_ranked_by_the_latest_model_each_time_with_another_noise() -> None:
    model = Model()
    chooser = published(Ranks(), model)
    assert {chooser.choose(visit((0.0,) * 4, is_new=True), 0.0) for _ in range(5)} == {Choice(0, "model")}
    assert len(set(model.noises)) == 5
    assert all(0 <= noise < 1 for noise in model.noises)


def test_before_anything_is_published_the_choice_is_random() -> None:
    chooser = published(Ranks(is_there=False), None)
    for is_new in (False, True):
        choices = {chooser.choose(visit((0.0,) * 4, is_new=is_new), 0.0) for _ in range(60)}
        assert choices == {Choice(place, "chance") for place in range(4)}


def test_the_bucket_is_asked_again_once_a_second_only() -> None:
    ranks = Ranks(is_there=False)
    chooser = published(ranks, None)
    for now_s in (0.0, 0.2, 0.9, 1.0, 1.5):
        chooser.choose(visit(), now_s)
    assert len(ranks.asked) == 2
    ranks.is_there = True
    assert chooser.choose(visit(), 2.0).by == "coefficients"


def test_a_ranker_over_an_empty_bucket_is_no_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    chooser = Published(Ranker(store, MODEL), LatestModel(store, MODEL), np.random.default_rng(1))
    assert chooser.choose(visit(), 0.0).by == "chance"
    assert chooser.choose(visit(is_new=True), 0.0).by == "chance"


def test_a_model_file_that_cannot_be_read_leaves_the_choice_random(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(latest_key(MODEL, MODEL_EXTENSION), b"not a model")
    assert LatestModel(store, MODEL)() is None
