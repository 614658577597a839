"""6,000 intervals or more a case: one standard error is below 0.5 %, the band is 2 % wide on either side."""

from __future__ import annotations

import numpy as np
import pytest

from lambda_learner.evaluation.calibration import LinearWorld, coverage
from lambda_learner.learn.noise import NoisePrior

pytestmark = pytest.mark.slow

WORLDS = [
    LinearWorld(records=40, coefficients=5, noise_variance=0.5),
    LinearWorld(records=20, coefficients=8, noise_variance=4.0, prior_precision=0.5),
]
MODELS = {5: 1_200, 8: 800}


@pytest.mark.parametrize("noise_prior", [None, NoisePrior(variance=1.0, records=1.0)], ids=["known", "estimated"])
@pytest.mark.parametrize("world", WORLDS)
def test_nine_of_ten_intervals_of_the_full_linear_model_hold_the_truth(
    world: LinearWorld, noise_prior: NoisePrior | None
) -> None:
    models = MODELS[world.coefficients]
    assert models * world.coefficients >= 5_000
    covered = coverage(world, np.random.default_rng(20), models=models, form="full", noise_prior=noise_prior)
    assert 0.88 <= covered <= 0.92


def test_intervals_from_conditional_variances_would_hold_the_truth_too_rarely() -> None:
    # The same world with a diagonal precision, whose variances are conditional: the test can fail.
    rng = np.random.default_rng(20)
    assert coverage(WORLDS[0], rng, models=300, form="diagonal", noise_prior=None) < 0.85
