from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lambda_learner.publish import NotPublished, StoreError
from lambda_learner.serve.ranker import Ranked, Ranker

U1 = {"user": "u1"}
DRAMA, COMEDY, WESTERN = ({"genre": genre} for genre in ("drama", "comedy", "western"))


def test_items_are_ranked_by_the_means_of_the_entity_best_first(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0, "comedy": 3.0}, intercept=0.25))
    ranked = bucket.ranker().rank([DRAMA, COMEDY], U1, explore=False)
    assert ranked == [Ranked(COMEDY, 3.25), Ranked(DRAMA, 1.25)]


def test_scores_are_in_the_order_of_the_items(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0, "comedy": 3.0}))
    assert bucket.ranker().scores([DRAMA, COMEDY], U1, explore=False) == [1.0, 3.0]


def test_an_unseen_feature_has_the_prior_mean(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    assert bucket.ranker().scores([DRAMA, WESTERN], U1, explore=False) == [1.0, 0.5]


def test_an_unseen_entity_has_the_prior_means(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}))
    assert bucket.ranker().scores([DRAMA], {"user": "u2"}, explore=False) == [-0.5]
    assert bucket.ranker().scores([DRAMA], {"user": 1}, explore=False) == [-0.5]


def test_entities_are_typed(bucket: Any) -> None:
    bucket.publish(bucket.learned("[1]", {"drama": 1.0}), bucket.learned('["1"]', {"drama": 2.0}))
    ranker = bucket.ranker()
    assert ranker.scores([DRAMA], {"user": 1}, explore=False) == [1.0]
    assert ranker.scores([DRAMA], {"user": "1"}, explore=False) == [2.0]


@pytest.mark.parametrize("context", [None, {}, {"user": None}, {"user": ["u1"]}, "u1"])
@pytest.mark.parametrize("explore", [False, True])
def test_without_an_entity_items_keep_their_order_and_get_the_base_score(
    bucket: Any, *, context: Any, explore: bool
) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0, "comedy": 3.0}))
    ranked = bucket.ranker().rank([DRAMA, COMEDY], context, explore=explore)
    assert ranked == [Ranked(DRAMA, 0.0), Ranked(COMEDY, 0.0)]


def test_an_entity_in_the_item_is_looked_up_for_each_candidate(bucket: Any) -> None:
    bucket.set_generation(entity_paths=("item.id",))
    entities = [bucket.learned(f"[{number}]", {}, intercept=float(number)) for number in range(20)]
    bucket.publish(*entities)
    items = [{"id": number} for number in range(20)]
    assert bucket.ranker().scores(items, explore=False) == [float(number) for number in range(20)]
    mixed = bucket.ranker().scores([{"id": 3}, {"id": "none"}, {}], explore=False)
    assert mixed == [3.0, -1.0, 0.0]


def test_a_model_without_entity_paths_has_one_entity(bucket: Any) -> None:
    bucket.set_generation(entity_paths=())
    bucket.publish(bucket.learned("[]", {"drama": 1.0, "comedy": 3.0}))
    assert bucket.ranker().scores([DRAMA, COMEDY], explore=False) == [1.0, 3.0]


def test_no_items_give_no_ranking(bucket: Any) -> None:
    assert bucket.ranker().rank([], U1) == []


def test_a_bucket_with_nothing_but_its_generation_ranks_with_the_prior(bucket: Any) -> None:
    assert bucket.ranker().scores([DRAMA], U1, explore=False) == [-0.5]
    assert len(set(bucket.ranker().scores([DRAMA, COMEDY], U1))) == 2


def test_a_model_that_was_never_published_is_an_error_that_names_it(empty_bucket: Any) -> None:
    with pytest.raises(NotPublished, match=r"model 'movies' has nothing published: .*generation.json"):
        empty_bucket.ranker().rank([DRAMA], U1)


def test_a_ranker_made_before_the_first_publish_ranks_after_it(empty_bucket: Any) -> None:
    ranker = empty_bucket.ranker()
    with pytest.raises(NotPublished):
        ranker.rank([DRAMA], U1)
    empty_bucket.set_generation()
    assert ranker.scores([DRAMA], U1, explore=False) == [-0.5]


def test_a_ranker_takes_a_url_a_path_or_a_store(bucket: Any) -> None:
    for source in (f"file:{bucket.folder}", str(bucket.folder), bucket.folder, bucket.store):
        assert Ranker(source, "movies").scores([DRAMA], U1, explore=False) == [-0.5]


def test_wrong_options_are_refused_at_once(bucket: Any) -> None:
    for alpha in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="alpha must be a number ≥ 0"):
            bucket.ranker(alpha=alpha)
    with pytest.raises(ValueError, match="model must be"):
        Ranker(bucket.store, "../movies")
    with pytest.raises(StoreError, match="bucket must be"):
        Ranker("http://bucket", "movies")


def test_the_same_seed_gives_the_same_ranking(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0, "comedy": 1.0}))
    items = [DRAMA, COMEDY, WESTERN]
    one, other = (bucket.ranker(rng=np.random.default_rng(3)) for _ in range(2))
    for _ in range(3):
        assert one.rank(items, U1) == other.rank(items, U1)
