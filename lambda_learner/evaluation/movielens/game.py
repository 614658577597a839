"""Batch GAME: a global logistic regression, then per-user and per-movie models, each on top of the last."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from lambda_learner.evaluation.metrics import auc
from lambda_learner.evaluation.movielens.data import IntArray, Ratings
from lambda_learner.evaluation.movielens.protocols import Stream, rows_of_entities, updated
from lambda_learner.learn.losses import logistic
from lambda_learner.learn.posterior import FloatArray, GaussianPosterior

__all__ = ["batch_game", "global_coefficients"]

GLOBAL_PENALTY: Final = 1.0
TRAINING_SHARE: Final = 0.8
# An intercept without any penalty has no optimum where an entity's labels are all alike; this is next to none.
FREE: Final = 1e-3
MAX_ITERATIONS: Final = 1_000  # 100 to 200 are usual


def global_coefficients(features: FloatArray, labels: FloatArray) -> FloatArray:
    """The minimum, by SciPy's L-BFGS-B, of Σ log(1 + e^(-y m)) + ½ Σ θⱼ², the first coefficient free; (d,)."""
    penalty = np.full(features.shape[1], GLOBAL_PENALTY)
    penalty[0] = 0.0

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        loss = logistic(features @ theta, labels)
        pull = penalty * theta
        return float(loss.value.sum() + 0.5 * theta @ pull), loss.gradient @ features + pull

    start = np.zeros(features.shape[1])
    options: dict[str, Any] = {"maxiter": MAX_ITERATIONS}
    found: FloatArray = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    return found


def batch_game(ratings: Ratings, rng: np.random.Generator) -> tuple[float, float, float]:
    """The AUC on a random fifth of the ratings of a fit to the rest: global, with users, with movies too."""
    order = rng.permutation(len(ratings.labels))
    cut = int(TRAINING_SHARE * len(order))
    training, test = np.sort(order[:cut]), order[cut:]
    features = ratings.global_features()
    scores = features @ global_coefficients(features[training], ratings.labels[training])
    aucs = [auc(scores[test], ratings.labels[test])]
    for entities, seen in (
        (ratings.users, ratings.movie_features[ratings.movies]),
        (ratings.movies, ratings.user_features[ratings.users]),
    ):
        stream = Stream(entities, seen, ratings.labels, scores)
        scores = scores + _random_effect(stream, training)
        aucs.append(auc(scores[test], ratings.labels[test]))
    return aucs[0], aucs[1], aucs[2]


def _random_effect(stream: Stream, training: IntArray) -> FloatArray:
    """What the entities' models, fitted to the training rows, add to each row's score; (n,)."""
    d = stream.features.shape[1]
    precision = np.ones(d)
    precision[0] = FREE
    prior = GaussianPosterior(np.zeros(d), precision)
    means = np.zeros((int(stream.entities.max()) + 1, d))
    for own in rows_of_entities(stream.entities[training]):
        rows = training[own]
        means[stream.entities[rows[0]]] = updated(stream, rows, prior).mean
    added: FloatArray = np.einsum("nd,nd->n", stream.features, means[stream.entities])
    return added
