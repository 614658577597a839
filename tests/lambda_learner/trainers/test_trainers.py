"""How the trainers behave where the golden cases do not reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from lambda_learner import (
    HessianType,
    IndexedDataset,
    IndexedModel,
    Trainer,
    TrainerLBGFS,
    TrainerLogisticLossWithL2,
    TrainerSequentialBayesianLogisticLossWithL2,
    TrainerSquareLossWithL2,
)
from lambda_learner.trainers import lbfgs

X = np.array([[1.0, 0.5], [1.0, -2.0], [1.0, 1.5]])
Y = np.array([1.0, -1.0, -1.0])
ALL = [TrainerLogisticLossWithL2, TrainerSequentialBayesianLogisticLossWithL2, TrainerSquareLossWithL2]
each_trainer = pytest.mark.parametrize("trainer", ALL)
each_optimizer = pytest.mark.parametrize("optimizer", ["lbfgs", "newton"])


def dataset(x: Any = X, y: Any = Y) -> IndexedDataset:
    n = x.shape[0]
    return IndexedDataset(x, y, np.linspace(0.5, 2.0, n), np.linspace(-0.3, 0.3, n))


def arguments(**keywords: Any) -> dict[str, Any]:
    return {"training_data": dataset(), "initial_model": IndexedModel(None), "penalty": 1.0, **keywords}


@each_trainer
@pytest.mark.parametrize("form", [sparse.csc_matrix, sparse.csr_matrix, sparse.csr_array, sparse.coo_array, np.asarray])
def test_every_form_of_matrix_gives_the_same_answer(trainer: Any, form: Any) -> None:
    expected, loss, _ = trainer(**arguments(hessian_type=HessianType.FULL)).train()
    data = dataset(form(X))
    model, other_loss, _ = trainer(**arguments(training_data=data, hessian_type=HessianType.FULL)).train()
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-12)
    np.testing.assert_allclose(model.hessian.toarray(), expected.hessian.toarray(), rtol=1e-12)
    assert other_loss == pytest.approx(loss, rel=1e-12)


@each_trainer
def test_a_full_precision_divides_elementwise_with_dense_ones(trainer: Any) -> None:
    model, _, _ = trainer(**arguments(hessian_type=HessianType.FULL)).train()
    dense = model.hessian.toarray()
    assert sparse.issparse(model.hessian)
    assert np.abs(1 - (model.hessian + np.ones((2, 2))) / (dense + np.ones((2, 2)))).max() == 0.0


@each_trainer
def test_the_update_methods_give_sparse_matrices(trainer: Any) -> None:
    made, theta = trainer(**arguments(hessian_type=HessianType.DIAGONAL)), np.array([0.2, -0.1])
    full, diagonal = made._update_full_hessian(theta).toarray(), made._update_hessian(theta).toarray()
    assert full[0, 1] != 0.0
    np.testing.assert_array_equal(diagonal, np.diag(full.diagonal()))


def test_the_defaults_are_the_original_s() -> None:
    made = [trainer(training_data=dataset(), initial_model=IndexedModel(None)) for trainer in ALL]
    assert [each.hessian_type for each in made] == [HessianType.NONE, HessianType.FULL, HessianType.NONE]
    assert [each.penalty for each in made] == [0.0, 0.0, 0.0]
    assert made[1].delta == 0.8


@each_trainer
def test_constructors_take_keywords_only(trainer: Any) -> None:
    with pytest.raises(TypeError):
        trainer(dataset(), IndexedModel(None))


@each_trainer
def test_what_the_initial_model_lacks_is_filled_in_on_a_copy(trainer: Any) -> None:
    given = IndexedModel(None)
    filled = trainer(**arguments(initial_model=given, penalty=3.0)).initial_model
    assert (given.theta, given.hessian) == (None, None)
    np.testing.assert_array_equal(filled.theta, [0.0, 0.0])
    np.testing.assert_array_equal(filled.hessian.toarray(), 3.0 * np.eye(2))


@each_trainer
def test_a_complete_initial_model_is_used_as_it_is(trainer: Any) -> None:
    given = IndexedModel(np.zeros(2), sparse.identity(2, format="csc"))
    assert trainer(**arguments(initial_model=given)).initial_model is given


@each_optimizer
def test_no_records_give_the_prior_s_mode_and_precision(optimizer: str) -> None:
    empty = IndexedDataset(sparse.csc_matrix((0, 2)), [], [], [])
    prior = IndexedModel(np.array([1.0, -2.0]), np.array([[2.0, 0.5], [0.5, 1.0]]))
    trainer = TrainerSequentialBayesianLogisticLossWithL2(
        training_data=empty, initial_model=prior, penalty=3.0, delta=0.5, optimizer=optimizer  # type: ignore[arg-type]
    )  # fmt: skip
    model, _, _ = trainer.train()
    precision = 0.5 * prior.hessian + 0.5 * 3.0 * np.eye(2)
    np.testing.assert_allclose(model.theta, np.linalg.solve(precision, 0.5 * prior.hessian @ prior.theta), atol=1e-5)
    np.testing.assert_allclose(model.hessian.toarray(), precision)


def test_delta_one_without_records_changes_nothing() -> None:
    empty = IndexedDataset(sparse.csc_matrix((0, 1)), [], [], [])
    prior = IndexedModel(np.array([1.5]), np.array([[2.0]]))
    trainer = TrainerSequentialBayesianLogisticLossWithL2(training_data=empty, initial_model=prior, delta=1.0)
    model, loss, _ = trainer.train()
    assert (model.theta.tolist(), model.hessian.toarray().tolist(), loss) == ([1.5], [[2.0]], 0.0)


@each_optimizer
def test_a_hopeless_start_does_not_overflow(optimizer: str) -> None:
    data = IndexedDataset(np.ones((1, 1)), [-1], [1], [800.0])
    model, loss, info = TrainerLogisticLossWithL2(
        training_data=data, initial_model=IndexedModel(None), penalty=1.0, optimizer=optimizer  # type: ignore[arg-type]
    ).train()  # fmt: skip
    # While the margin is far from 0 the loss is 800 + θ + θ²/2: least at θ = -1.
    assert model.theta == pytest.approx([-1.0])
    assert loss == pytest.approx(799.5)
    assert info["warnflag"] == 0


@each_trainer
def test_a_limit_of_iterations_is_kept_and_told(trainer: Any) -> None:
    _, _, info = trainer(**arguments()).train(max_iterations=1)
    assert (info["nit"], info["warnflag"]) == (1, 1)
    assert info["task"] == "STOP: TOTAL NO. of ITERATIONS REACHED LIMIT"


@each_trainer
def test_a_limit_of_evaluations_is_kept_and_told(trainer: Any) -> None:
    _, _, info = trainer(**arguments()).train(max_funcalls=2)
    assert info["funcalls"] <= 3  # SciPy looks after each iteration
    assert info["warnflag"] == 1
    assert info["task"] == "STOP: TOTAL NO. of f AND g EVALUATIONS EXCEEDS LIMIT"


def test_all_arguments_of_train_reach_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def search(loss: Any, start: Any, **options: Any) -> tuple[Any, float, dict[str, Any]]:
        seen.update(options)
        return start, 0.0, {"task": b"ABNORMAL_TERMINATION_IN_LNSRCH", "warnflag": 0}

    monkeypatch.setattr(lbfgs, "fmin_l_bfgs_b", search)
    _, _, info = TrainerLogisticLossWithL2(**arguments()).train(1, 2, 3, 4, 5.0, 6.0)
    del seen["fprime"]
    assert seen == {"maxiter": 1, "maxfun": 2, "maxls": 3, "m": 4, "factr": 5.0, "pgtol": 6.0}
    assert info["task"] == "ABNORMAL_TERMINATION_IN_LNSRCH"


class Uphill(TrainerLBGFS):
    """A loss whose gradient points the wrong way: no line search can end well."""

    def _loss(self, theta: Any) -> float:
        return float(theta @ theta)

    def _gradient(self, theta: Any) -> Any:
        return -2.0 * theta

    def _update_full_hessian(self, theta: Any) -> Any:
        raise AssertionError


def test_a_failed_search_gives_the_initial_model() -> None:
    given = IndexedModel(np.ones(2), np.eye(2))
    trainer = Uphill(training_data=dataset(), initial_model=given, hessian_type=HessianType.FULL)
    model, _, info = trainer.train()
    assert model is given
    assert (info["warnflag"], info["task"]) == (2, "ABNORMAL_TERMINATION_IN_LNSRCH")


@pytest.mark.parametrize("rows", [1, 2])
def test_newton_gives_the_initial_model_for_numbers_that_are_none(rows: int) -> None:
    data = IndexedDataset(np.ones((rows, 1)), np.ones(rows), np.ones(rows), np.full(rows, np.nan))
    given = IndexedModel(np.zeros(1), np.eye(1))
    trainer = TrainerSquareLossWithL2(training_data=data, initial_model=given, penalty=1.0, optimizer="newton")
    model, _, info = trainer.train()
    assert model is given
    assert (info["warnflag"], info["task"]) == (2, "ABNORMAL: NUMBERS OUT OF RANGE")


@each_trainer
def test_newton_refuses_a_prior_that_leaves_a_coefficient_free(trainer: Any) -> None:
    with pytest.raises(ValueError, match="positive definite"):
        trainer(**arguments(penalty=0.0, optimizer="newton")).train()


def test_a_prior_precision_that_is_not_symmetric_is_refused() -> None:
    prior = IndexedModel(np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="symmetric"):
        TrainerSequentialBayesianLogisticLossWithL2(training_data=dataset(), initial_model=prior)


def test_rounding_does_not_make_a_prior_asymmetric() -> None:
    prior = IndexedModel(np.zeros(2), np.array([[1.0, 0.5], [0.5 + 1e-12, 1.0]]))
    TrainerSequentialBayesianLogisticLossWithL2(training_data=dataset(), initial_model=prior)


@pytest.mark.parametrize("delta", [-0.1, 1.1, float("nan")])
def test_a_delta_out_of_range_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match="delta must be 0 to 1"):
        TrainerSequentialBayesianLogisticLossWithL2(**arguments(delta=delta))


@each_trainer
@pytest.mark.parametrize(("name", "value"), [("hessian_type", 1), ("optimizer", "adam")])
def test_an_unknown_choice_is_refused_at_once(trainer: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        trainer(**arguments(**{name: value}))


@pytest.mark.parametrize("abstract", [Trainer, TrainerLBGFS])
def test_the_abstract_trainers_cannot_be_made(abstract: Any) -> None:
    with pytest.raises(TypeError, match="abstract"):
        abstract(training_data=dataset(), initial_model=IndexedModel(None), hessian_type=HessianType.NONE)
