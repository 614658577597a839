"""The numbers that the original gave: its losses, its path, its results, and what is right beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lambda_learner import HessianType
from lambda_learner.trainers.objective import ObjectiveTrainer

Case = dict[str, Any]
MakeTrainer = Callable[..., ObjectiveTrainer]

OLDER_TASKS = (
    "CONVERGENCE: NORM_OF_PROJECTED_GRADIENT_<=_PGTOL",
    "CONVERGENCE: REL_REDUCTION_OF_F_<=_FACTR*EPSMCH",
)


def test_loss_and_gradient_are_the_original_s(case: Case, original: MakeTrainer) -> None:
    trainer, theta = original(case), np.array(case["given"]["theta"])
    assert trainer._loss(theta) == pytest.approx(case["expected"]["initial"]["loss"], abs=1e-8)
    np.testing.assert_allclose(trainer._gradient(theta), case["expected"]["initial"]["gradient"], atol=1e-8)


def test_the_search_takes_the_original_s_path(case: Case, original: MakeTrainer) -> None:
    expected = case["expected"]["default"]
    model, loss, info = original(case).train()
    np.testing.assert_allclose(model.theta, expected["theta"], atol=1e-8)
    assert loss == pytest.approx(expected["loss"], abs=1e-8)
    assert {name: info[name] for name in ("nit", "funcalls", "warnflag")} == {
        name: expected[name] for name in ("nit", "funcalls", "warnflag")
    }
    assert info["task"] in OLDER_TASKS


@pytest.mark.parametrize(
    ("hessian_type", "row"), [(HessianType.FULL, "full"), (HessianType.DIAGONAL, "diagonal")], ids=["full", "diagonal"]
)
def test_the_precision_is_the_original_s_at_its_theta(
    case: Case, original: MakeTrainer, hessian_type: HessianType, row: str
) -> None:
    model, _, _ = original(case, hessian_type=hessian_type).train()
    expected = np.array(case["expected"]["default"][row])
    dense = np.diag(expected) if expected.ndim == 1 else expected
    np.testing.assert_allclose(model.hessian.toarray(), dense, atol=2e-8)


def test_identity_and_none_are_what_they_say(case: Case, make: MakeTrainer) -> None:
    identity, _, _ = make(case, hessian_type=HessianType.IDENTITY).train()
    np.testing.assert_array_equal(identity.hessian.toarray(), np.eye(4))
    assert make(case, hessian_type=HessianType.NONE).train()[0].hessian is None


def test_the_precision_at_the_exact_theta_is_the_original_s(case: Case, original: MakeTrainer) -> None:
    exact = case["expected"]["exact"]
    full = original(case)._update_full_hessian(np.array(exact["theta"])).toarray()
    np.testing.assert_allclose(full, exact["full"], atol=2e-8)


def test_the_precision_counts_the_weights(case: Case, make: MakeTrainer) -> None:
    square = case["given"]["trainer"] == "square"
    trainer = make(case, exact_hessian=True) if square else make(case)
    full = trainer._update_full_hessian(np.array(case["expected"]["exact"]["theta"])).toarray()
    np.testing.assert_allclose(full, case["expected"]["right"]["full"], atol=2e-8)


@pytest.mark.parametrize("optimizer", ["lbfgs", "newton"])
def test_the_square_loss_counts_the_weights(case: Case, make: MakeTrainer, optimizer: str) -> None:
    expected = case["expected"]["right"].get("theta", case["expected"]["exact"]["theta"])
    model, _, _ = make(case, optimizer=optimizer).train()
    np.testing.assert_allclose(model.theta, expected, atol=3e-5)


def test_newton_finds_the_exact_optimum(case: Case, original: MakeTrainer) -> None:
    exact = case["expected"]["exact"]
    model, loss, info = original(case, optimizer="newton").train()
    np.testing.assert_allclose(model.theta, exact["theta"], atol=1e-6)
    assert loss == pytest.approx(exact["loss"], abs=1e-8)
    assert info["warnflag"] == 0
    assert np.abs(info["grad"]).max() < 1e-9


def test_newton_is_near_the_default_answer_and_never_above_its_loss(case: Case, make: MakeTrainer) -> None:
    default, default_loss, _ = make(case).train()
    newton, newton_loss, _ = make(case, optimizer="newton").train()
    np.testing.assert_allclose(newton.theta, default.theta, atol=5e-5)
    assert newton_loss <= default_loss


def test_a_smaller_gradient_can_be_asked_for(case: Case, original: MakeTrainer) -> None:
    model, _, info = original(case).train(precision=0.0, gradient_tolerance=1e-9)
    assert np.abs(info["grad"]).max() <= 1e-8  # older SciPy's line search may end before, by rounding
    np.testing.assert_allclose(model.theta, case["expected"]["exact"]["theta"], atol=2e-8)
