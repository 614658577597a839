from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.evaluation.movielens import Protocol, Stream, as_arrays, progressive_scores
from lambda_learner.evaluation.movielens.game import global_coefficients
from lambda_learner.learn import GaussianPosterior, forget, update
from lambda_learner.learn.losses import logistic
from lambda_learner.simulate.movielens import MovieLens

D, N, START, PENALTY = 3, 60, 20, 4.0
DATA = MovieLens(
    ratings=((10, "2", "a", 4.0), (10, "1", "b", 3.0), (12, "2", "c", 3.5)),
    movies={
        "a": '{"genres":["Comedy"],"year":0.99}',
        "b": '{"genres":["Comedy","Drama"]}',
        "c": '{"genres":["Drama"],"year":0.97}',
    },
    users={
        "1": '{"user_id":"1","age":30,"gender":"F","occupation":"writer"}',
        "2": '{"user_id":"2","age":20,"gender":"M","occupation":"artist"}',
    },
)


def random_stream() -> Stream:
    rng = np.random.default_rng(5)
    features = np.column_stack([np.ones(N), rng.normal(size=(N, D - 1))])
    return Stream(rng.integers(0, 4, N), features, rng.choice([-1.0, 1.0], N), rng.normal(size=N))


def scores_in_order_of_time(stream: Stream, protocol: Protocol) -> list[float]:
    """The same by the letter: event by event, each entity with its past, its belief and what waits to be learned."""
    prior = GaussianPosterior(np.zeros(D), PENALTY * np.eye(D))
    form = prior if protocol.form == "full" else GaussianPosterior(prior.mean, np.diagonal(prior.precision))
    past = {e: [i for i in range(START) if stream.entities[i] == e] for e in range(4)}
    waiting: dict[int, list[int]] = {e: [] for e in range(4)}
    beliefs = {e: learned(stream, past[e], prior) for e in range(4)}
    if protocol.form == "diagonal":
        beliefs = {e: GaussianPosterior(b.mean, np.diagonal(b.precision)) for e, b in beliefs.items()}
    scores = []
    for i in range(START, N):
        e = int(stream.entities[i])
        scores.append(float(stream.offsets[i] + stream.features[i] @ beliefs[e].mean))
        waiting[e].append(i)
        past[e].append(i)
        if protocol.how == "retrained" and len(waiting[e]) == protocol.every:
            beliefs[e], waiting[e] = learned(stream, past[e], form), []
        elif protocol.how == "incremental" and len(waiting[e]) == protocol.every:
            beliefs[e], waiting[e] = learned(stream, waiting[e], forget(beliefs[e], protocol.delta, form)), []
    return scores


def learned(stream: Stream, rows: list[int], prior: GaussianPosterior) -> GaussianPosterior:
    records = stream.features[rows], stream.labels[rows], np.ones(len(rows)), stream.offsets[rows]
    return update(*records, prior, kind="logistic").posterior


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize(
    "protocol",
    [
        Protocol("user", "stale"),
        Protocol("user", "retrained"),
        Protocol("user", "incremental"),
        Protocol("user", "incremental", form="diagonal", delta=0.8),
        Protocol("user", "incremental", delta=0.8),
    ],
)
def test_entity_by_entity_gives_the_scores_of_the_stream_in_order(protocol: Protocol, every: int) -> None:
    stream, protocol = random_stream(), protocol._replace(every=every)
    scores = progressive_scores(stream, protocol, start=START, penalty=PENALTY)
    np.testing.assert_allclose(scores, scores_in_order_of_time(stream, protocol), rtol=1e-9)


def test_no_score_depends_on_its_own_label_or_a_later_one() -> None:
    stream = random_stream()
    changed = stream.labels.copy()
    changed[40:] *= -1.0
    for how in ("retrained", "incremental"):
        before, after = (
            progressive_scores(s, Protocol("user", how), start=START, penalty=PENALTY)
            for s in (stream, stream._replace(labels=changed))
        )
        np.testing.assert_array_equal(before[: 40 - START + 1], after[: 40 - START + 1])
        assert not np.array_equal(before, after)


def test_the_global_model_alone_scores_by_the_offsets() -> None:
    stream = random_stream()
    scores = progressive_scores(stream, Protocol("user", "global"), start=START, penalty=PENALTY)
    np.testing.assert_array_equal(scores, stream.offsets[START:])


def test_ratings_become_rows_labels_and_tables_with_the_intercept_first() -> None:
    ratings = as_arrays(DATA)
    assert (ratings.users.tolist(), ratings.movies.tolist()) == ([1, 0, 1], [0, 1, 2])
    assert ratings.labels.tolist() == [1.0, -1.0, 1.0]
    np.testing.assert_allclose(ratings.user_features, [[1, 0.3, 1, 0, 0, 1], [1, 0.2, 0, 1, 1, 0]])


def test_a_year_that_is_not_known_is_the_mean_of_the_others() -> None:
    expected = [[1, 1, 0, 0.99], [1, 1, 1, 0.98], [1, 0, 1, 0.97]]
    np.testing.assert_allclose(as_arrays(DATA).movie_features, expected)


def test_the_global_model_sees_one_intercept_the_movie_and_the_user() -> None:
    features = as_arrays(DATA).global_features()
    np.testing.assert_allclose(features[1], [1, 1, 1, 0.98, 0.3, 1, 0, 0, 1])


def test_the_global_model_is_the_optimum_with_a_free_intercept() -> None:
    stream = random_stream()
    theta = global_coefficients(stream.features, stream.labels)
    gradient = logistic(stream.features @ theta, stream.labels).gradient @ stream.features
    np.testing.assert_allclose(gradient + np.array([0.0, 1.0, 1.0]) * theta, 0.0, atol=1e-3)
