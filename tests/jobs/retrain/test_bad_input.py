"""What no training should meet: each ends in a whole model or in a message, and the latest is whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from lambda_learner.archive.partition import partitions, prefix_of
from lambda_learner.events import Decision
from lambda_learner.retrain import DecisionModel
from operators.archive import Archive
from tests.harness.retraining import MODEL, Shop, an_id, event, listened


def put(shop: Shop, name: str, data: bytes) -> str:
    """Put a file among the archive's."""
    key = f"{prefix_of(MODEL)}2023/11/14/20231114T230000Z-20231114T221320Z-{name}-{'0' * 36}.parquet"
    shop.train.put(key, data)
    return key


def write(shop: Shop, *events: Any) -> None:
    Archive(shop.train).write(events)


def scores(shop: Shop, *items: Any) -> list[float]:
    """The latest model's scores."""
    latest = shop.latest()
    assert latest is not None
    found: list[float] = DecisionModel.of_file(latest).score(items, {"hour": 9}).tolist()
    assert np.isfinite(found).all()
    return found


def refused(shop: Shop) -> str:
    """Why a request came to nothing."""
    shop.ask("r1")
    (outcome,) = shop.work()
    assert outcome.result is None
    assert shop.record("r1").state == "failed"
    assert shop.latest() is None
    return outcome.reason


def test_a_damaged_file_is_set_aside_and_the_others_train(shop: Shop) -> None:
    shop.archive(500)
    first, *_ = partitions(shop.train, MODEL)
    found = shop.train.get(first.key)
    assert found is not None
    put(shop, "7", found.data[:-100])
    result = shop.retrained("r1")
    assert result["archive"]["compaction"]["damaged_files"] == 1
    assert result["metrics"]["decisions"] == 500


def test_a_foreign_parquet_is_set_aside_and_the_others_train(shop: Shop) -> None:
    shop.archive(500)
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"a": [1, 2]}), sink)
    put(shop, "8", sink.getvalue().to_pybytes())
    assert shop.retrained("r1")["metrics"]["decisions"] == 500


def test_one_decision_makes_a_whole_model_that_tells_nothing_apart(shop: Shop) -> None:
    write(shop, event(0, item={"genre": "rock"}, count=3, sample={"genre": "pop"}))
    result = shop.retrained("r1")
    assert "every item gets the same score" in result["warnings"][0]
    assert len(set(scores(shop, {"genre": "rock"}, {"genre": "pop"}))) == 1


def test_equal_rewards_are_told(shop: Shop) -> None:
    write(shop, *(one for one in listened(300) if isinstance(one, Decision)))
    result = shop.retrained("r1")
    assert "all rewards are equal" in result["warnings"][0]
    assert len(set(scores(shop, {"genre": "rock"}, {"genre": "pop"}))) == 1


def test_a_model_of_fine_decisions_has_no_warning(shop: Shop) -> None:
    shop.archive(300)
    assert shop.retrained("r1")["warnings"] == []


def test_one_decision_more_than_the_incumbent_has_seen_leaves_it_undecided(running_shop: Shop) -> None:
    running_shop.training["gate"] = {"margin": 1}
    running_shop.retrained("second")
    write(running_shop, event(7000, item={"genre": "rock"}, count=3, sample={"genre": "pop"}))
    gate = running_shop.retrained("third")["gate"]
    assert gate["outcome"] == "undecided"
    assert gate["comparisons"][0]["rows"] == 1


def test_no_features_are_a_message(shop: Shop) -> None:
    write(shop, *(event(number, item=None, count=2, sample=None) for number in range(50)))
    assert "has no features" in refused(shop)


def test_rewards_without_their_decisions_are_a_message(shop: Shop) -> None:
    write(shop, *(one for one in listened(300) if not isinstance(one, Decision)))
    assert "has no decision to train on" in refused(shop)


def test_no_archive_is_a_message(shop: Shop) -> None:
    assert "nothing is archived of model 'songs'" in refused(shop)


@pytest.mark.parametrize("turn", [0, 1])
def test_a_feature_may_be_a_string_here_and_a_number_there(shop: Shop, turn: int) -> None:
    genres = ("rock", 7, True, None, ["jazz"], {"of": "pop"})
    events = []
    for number in range(400):
        item, sample = ({"genre": genres[(number + step) % 6]} for step in (0, 1))
        hour = number % 24 if turn else "noon"
        events.append(event(number, item=item, count=2, sample=sample, context={"hour": hour}))
        if number % 3 == 0:
            events.append(event(number, message_id=an_id(number, 1), decision_id=an_id(number), reward=1.0))
    write(shop, *events)
    shop.retrained("r1")
    scores(shop, *({"genre": genre} for genre in genres))


def test_a_huge_item_trains_in_little_memory(shop: Shop) -> None:
    shop.training = {"max_memory": "16 MB", "hyperparameters": {"max_trees": 5, "max_features": 50}}
    shop.archive(300)
    huge: Any = {f"k{number}": {"text": "x" * 50, "list": list(range(20))} for number in range(4000)}
    write(shop, event(400, item=huge, count=3, sample={"genre": "pop"}))
    deep: Any = "end"
    for _ in range(60):
        deep = {"in": deep}
    write(shop, event(401, item=deep, count=3, sample=huge))
    assert shop.retrained("r1")["metrics"]["decisions"] == 302
    scores(shop, huge, deep, {"genre": "rock"})


def test_decisions_from_the_future_are_set_aside(shop: Shop) -> None:
    shop.archive(300)
    write(shop, event(10**9, item={"genre": "rock"}, count=3, sample={"genre": "pop"}))
    result = shop.retrained("r1")
    assert result["metrics"]["decisions"] == 300
    assert result["archive"]["compaction"]["bad_rows"] == 1
