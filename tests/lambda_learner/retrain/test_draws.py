"""The numbers that a training draws: uniform, independent, and of each decision's own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lambda_learner.retrain.draws import Purpose, Seeds, digests, uniform
from lambda_learner.retrain.weights import bootstrap_of, bootstrap_weights

IDS = [f"decision {number}".encode() for number in range(50_000)]
SEEDS = Seeds.of("songs", "request 1")


@pytest.mark.parametrize("purpose", Purpose)
def test_draws_are_uniform(purpose: Purpose) -> None:
    drawn = uniform(digests(IDS, SEEDS.draws), purpose)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


def test_draws_for_two_purposes_are_independent() -> None:
    drawn = np.array([uniform(digests(IDS, SEEDS.draws), purpose) for purpose in Purpose])
    correlation = np.corrcoef(drawn) - np.eye(len(Purpose))
    assert np.abs(correlation).max() < 5 / np.sqrt(len(IDS))


def test_a_decisions_draw_does_not_depend_on_the_others() -> None:
    alone = uniform(digests(IDS[7:8], SEEDS.draws), Purpose.NOISE)
    assert alone[0] == uniform(digests(IDS, SEEDS.draws), Purpose.NOISE)[7]


def test_another_request_or_model_draws_otherwise() -> None:
    others = [Seeds.of("songs", "request 2"), Seeds.of("movies", "request 1")]
    drawn = [uniform(digests(IDS, seeds.draws), Purpose.BOOTSTRAP) for seeds in (SEEDS, *others)]
    for other in drawn[1:]:
        assert abs(np.corrcoef(drawn[0], other)[0, 1]) < 5 / np.sqrt(len(IDS))


def test_seeds_are_those_that_every_client_takes() -> None:
    for number in range(1000):
        seeds = Seeds.of("songs", str(number))
        assert 1 <= seeds.propensity < 2**32
        assert 1 <= seeds.decision < 2**32


def test_bootstrap_weights_are_poisson_of_mean_1() -> None:
    weights = bootstrap_of(digests(IDS, SEEDS.draws), explore=True)
    counts = np.bincount(weights.astype(int), minlength=6)[:6]
    expected = stats.poisson.pmf(range(6), 1) * len(IDS)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(len(IDS) * 0.25)
    assert (weights > 0).mean() == pytest.approx(1 - 1 / np.e, abs=0.01)


@pytest.mark.parametrize("quantile", [0.0, 0.3, 0.5, 0.9, 0.999, 1 - 1e-9])
def test_a_bootstrap_weight_is_the_poisson_quantile(quantile: float) -> None:
    expected = stats.poisson.ppf(quantile, 1) if quantile else 0
    assert bootstrap_weights(np.array([quantile]))[0] == max(expected, 0)


def test_without_exploring_every_decision_weighs_1() -> None:
    assert bootstrap_of(digests(IDS[:9], SEEDS.draws), explore=False).tolist() == [1.0] * 9
