"""Thompson sampling is calibrated: what is drawn has the posterior's mean and α² times its covariance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lambda_learner.learn.state import Noise

U1 = {"user": "u1"}
DRAMA, COMEDY, WESTERN, NOIR = ({"genre": genre} for genre in ("drama", "comedy", "western", "noir"))
DRAWS = 4000
# Of a variance from 4,000 normal draws one standard error is 2.2 %; of a mean .016 standard deviations.
VARIANCE = 0.11  # five standard errors, relative
MEAN = 0.08  # five, in standard deviations


def _draws(bucket: Any, items: list[Any], context: Any = U1, **options: Any) -> npt.NDArray[np.float64]:
    """Scores by call and item."""
    ranker = bucket.ranker(**options)
    return np.array([ranker.scores(items, context) for _ in range(DRAWS)])


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_a_diagonal_score_has_the_mean_and_alpha_squared_over_precision(bucket: Any, alpha: float) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}, precision=np.array([1e12, 4.0])))
    draws = _draws(bucket, [DRAMA], alpha=alpha)[:, 0]
    assert draws.var() == pytest.approx(alpha**2 / 4.0, rel=VARIANCE)
    assert draws.mean() == pytest.approx(1.0, abs=MEAN * alpha / 2.0)


def test_with_an_estimated_noise_variance_the_published_precision_is_drawn_from_as_it_is(bucket: Any) -> None:
    bucket.set_generation(kind="linear", noise_variance="estimate")
    learned = bucket.learned('["u1"]', {"drama": 1.0}, precision=np.array([1e12, 4.0]))
    bucket.publish(replace(learned, noise=Noise(degrees=9.0, squares=900.0)))
    draws = _draws(bucket, [DRAMA])[:, 0]
    assert draws.var() == pytest.approx(1.0 / 4.0, rel=VARIANCE)


def test_the_more_certain_coefficient_is_explored_less(bucket: Any) -> None:
    precision = np.array([1e12, 1.0, 100.0])
    bucket.publish(bucket.learned('["u1"]', {"drama": 0.0, "comedy": 0.0}, precision=precision))
    drama, comedy = _draws(bucket, [DRAMA, COMEDY]).var(axis=0)
    assert drama == pytest.approx(1.0, rel=VARIANCE)
    assert comedy == pytest.approx(0.01, rel=VARIANCE)


def test_full_scores_have_the_covariance_of_the_inverse_precision(bucket: Any) -> None:
    precision = np.array([[1e9, 0.0, 0.0], [0.0, 2.0, -1.2], [0.0, -1.2, 1.0]])
    bucket.set_generation(posterior="full")
    bucket.publish(bucket.learned('["u1"]', {"drama": 0.0, "comedy": 1.0}, precision=precision))
    draws = _draws(bucket, [DRAMA, COMEDY], alpha=0.5)
    expected = 0.25 * np.linalg.inv(precision)[1:, 1:]
    assert np.cov(draws.T) == pytest.approx(expected, rel=VARIANCE)
    assert draws.mean(axis=0) == pytest.approx([0.0, 1.0], abs=MEAN)


def test_candidates_of_one_entity_share_the_draw_of_a_call(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 0.0}, precision=0.01))
    ranker = bucket.ranker()
    one, same, other = ranker.scores([DRAMA, dict(DRAMA), COMEDY], U1)
    assert one == same != other
    assert ranker.scores([DRAMA], U1) != [one]


def test_what_the_entity_lacks_is_drawn_from_the_prior_once_a_call(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 0.0}, precision=1e12))
    draws = _draws(bucket, [WESTERN, dict(WESTERN), NOIR])
    assert np.array_equal(draws[:, 0], draws[:, 1])
    assert draws[:, 0].mean() == pytest.approx(0.5, abs=MEAN / 2.0)
    assert draws[:, 0].var() == pytest.approx(1 / 4.0, rel=VARIANCE)
    assert abs(np.corrcoef(draws[:, 0], draws[:, 2])[0, 1]) < MEAN


def test_an_unseen_entity_is_drawn_from_the_prior_its_intercept_from_its_own(bucket: Any) -> None:
    draws = _draws(bucket, [DRAMA, {}], {"user": "new"})
    assert draws.mean(axis=0) == pytest.approx([-0.5, -1.0], abs=MEAN)
    assert draws.var(axis=0) == pytest.approx([1 / 4.0 + 1 / 16.0, 1 / 16.0], rel=VARIANCE)


def test_entities_of_items_are_drawn_apart(bucket: Any) -> None:
    bucket.set_generation(entity_paths=("item.id",))
    draws = _draws(bucket, [{"id": 1}, {"id": 2}, {"id": 1}], None)
    assert np.array_equal(draws[:, 0], draws[:, 2])
    assert abs(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) < MEAN


def test_without_exploration_or_with_alpha_0_scores_are_the_means_and_draw_nothing(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 1.0}, precision=0.01))
    rng = np.random.default_rng(5)
    before = rng.bit_generator.state
    assert bucket.ranker(rng=rng).scores([DRAMA, WESTERN], U1, explore=False) == [1.0, 0.5]
    assert bucket.ranker(rng=rng, alpha=0.0).scores([DRAMA, WESTERN], U1) == [1.0, 0.5]
    assert rng.bit_generator.state == before


def test_the_worse_item_is_still_shown_as_often_as_its_chance_to_be_the_better(bucket: Any) -> None:
    bucket.publish(bucket.learned('["u1"]', {"drama": 0.0, "comedy": 1.0}, precision=np.array([1.0, 2.0, 2.0])))
    draws = _draws(bucket, [DRAMA, COMEDY])
    # The difference is N(-1, 1/2 + 1/2): P(> 0) = Φ(-1) = .1587, one standard error .0058.
    assert (draws[:, 0] > draws[:, 1]).mean() == pytest.approx(0.1587, abs=0.029)
