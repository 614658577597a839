from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.evaluation.cluster_bootstrap import WeightedAuc, differences
from lambda_learner.evaluation.metrics import auc


def test_a_weight_is_how_often_a_record_is_there() -> None:
    rng = np.random.default_rng(1)
    scores, labels, weights = rng.integers(0, 9, 200), rng.integers(0, 2, 200), rng.integers(0, 4, 200)
    expected = auc(np.repeat(scores, weights), np.repeat(labels, weights))
    assert WeightedAuc(scores, labels).of(weights.astype(float)) == pytest.approx(expected, abs=1e-12)


def test_a_class_without_weight_has_no_auc() -> None:
    assert np.isnan(WeightedAuc([1.0, 2.0], [0.0, 1.0]).of(np.array([0.0, 1.0])))


def test_the_difference_is_that_of_the_aucs_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 2000).astype(float)
    good, poor, users = labels + rng.normal(size=2000), rng.normal(size=2000), rng.integers(0, 100, 2000)
    over_poor, over_itself = differences(good, [poor, good], labels, users, rng=rng, resamples=100)
    assert over_poor.value == pytest.approx(auc(good, labels) - auc(poor, labels))
    assert 0.0 < over_poor.low < over_poor.value < over_poor.high
    assert over_itself == (0.0, 0.0, 0.0)


def test_records_of_one_cluster_count_as_one() -> None:
    """Each record four times over, in a cluster with its copies: no more is known than from one each."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 400).astype(float)
    good, poor = labels + rng.normal(size=400), labels + 2 * rng.normal(size=400)
    copied = [np.tile(array, 4) for array in (good, poor, labels)]
    together, apart = np.tile(np.arange(400), 4), np.arange(1600)
    clustered, naive = (
        differences(copied[0], [copied[1]], copied[2], each, rng=rng, resamples=300)[0] for each in (together, apart)
    )
    assert (clustered.high - clustered.low) / (naive.high - naive.low) == pytest.approx(2.0, rel=0.25)


def test_the_interval_covers_no_difference_about_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(4), 0
    for _ in range(60):
        labels = rng.integers(0, 2, 300).astype(float)
        one, other = labels + rng.normal(size=300), labels + rng.normal(size=300)
        (found,) = differences(one, [other], labels, np.arange(300), rng=rng, resamples=100)
        covered += found.low <= 0.0 <= found.high
    assert covered >= 50
