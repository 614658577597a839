from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_learner.evaluation import auc, log_loss, rmse


def pair_count_auc(scores: list[float], labels: list[int]) -> float:
    positive = [s for s, y in zip(scores, labels, strict=True) if y > 0]
    negative = [s for s, y in zip(scores, labels, strict=True) if y <= 0]
    won = sum((p > q) + 0.5 * (p == q) for p in positive for q in negative)
    return won / (len(positive) * len(negative))


@given(rows=st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([-1, 1])), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order_with_ties_as_halves(rows: list[tuple[int, int]]) -> None:
    scores, labels = [float(s) for s, _ in rows], [y for _, y in rows]
    if len(set(labels)) == 1:
        assert math.isnan(auc(scores, labels))
    else:
        assert auc(scores, labels) == pytest.approx(pair_count_auc(scores, labels), rel=1e-12)


def test_labels_0_and_1_rank_like_minus_1_and_1() -> None:
    scores = [0.35, 0.25, 0.35, 0.225, 0.2]
    assert auc(scores, [1, 0, 0, 1, 1]) == auc(scores, [1, -1, -1, 1, 1]) == pytest.approx(0.25)


def test_log_loss_of_a_blind_score_is_log_two() -> None:
    assert log_loss([0.0, 0.0], [1, -1]) == pytest.approx(math.log(2.0))


def test_log_loss_stays_finite_for_a_sure_mistake() -> None:
    assert log_loss([-1e6], [1]) == 1e6


def test_rmse_is_in_the_label_s_unit() -> None:
    assert rmse([1.0, 2.0], [4.0, 6.0]) == pytest.approx(math.sqrt(12.5))
    assert rmse([0.35, 0.25, 0.35, 0.225, 0.2], [1, -1, -1, 1, 1]) == pytest.approx(1.00480098, abs=1e-8)


def test_no_records_have_no_metric() -> None:
    assert np.isnan([auc([], []), log_loss([], []), rmse([], [])]).all()
