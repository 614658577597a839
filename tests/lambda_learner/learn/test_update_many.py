"""The update of many entities: equal to one at a time by NumPy, compiled or not; sound in every case."""

from __future__ import annotations

import threading
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_learner.learn import GaussianPosterior, NewtonResult, update
from lambda_learner.learn.losses import Kind
from lambda_learner.learn.many import IS_COMPILED, Beliefs, Records, Updates, kernel, update_many
from lambda_learner.learn.many import update as of_many
from lambda_learner.learn.many.update import Form
from lambda_learner.learn.posterior import FloatArray, forget
from lambda_learner.learn.state import CoefficientPrior

# What the loop's machine code is made of besides its own file: functions, the compiler's options, constants.
CALLED = ("arrays.py", "compiled.py", "linear_algebra.py", "search.py", "../search.py")
PRIOR = CoefficientPrior(0.1, 2.0, -0.3, 0.5)


class Entity(NamedTuple):
    """One entity's records as a matrix, and what is believed of it."""

    features: FloatArray
    labels: FloatArray
    weights: FloatArray
    offsets: FloatArray
    belief: GaussianPosterior
    kept: float

    def by_numpy(self, kind: Kind) -> NewtonResult:
        prior = forget(self.belief, self.kept, PRIOR.posterior(len(self.belief.mean)))
        return update(*self[:4], prior, kind=kind)


def an_entity(  # noqa: PLR0913
    seed: int, n: int, d: int, *, full: bool, kind: Kind, scale: float = 1.0
) -> Entity:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.6) * scale
    labels = rng.normal(size=n) if kind == "linear" else rng.choice([-1.0, 1.0], n)
    root = rng.normal(size=(d, d))
    precision = root @ root.T / d + np.eye(d) if full else rng.uniform(0.5, 5.0, d)
    belief = GaussianPosterior(rng.normal(size=d), precision)
    return Entity(features, labels, rng.uniform(0.0, 2.0, n), rng.normal(size=n), belief, float(rng.uniform(0.0, 1.0)))


def learned(entities: list[Entity], *, kind: Kind, full: bool) -> Updates:
    """`update_many` for them; matrices become sparse."""
    rows = [row for entity in entities for row in entity.features]
    columns = [np.flatnonzero(row) for row in rows]
    records = Records(
        pointers([len(found) for found in columns]),
        np.concatenate([*columns, np.zeros(0)]).astype(np.int64),
        np.concatenate([*(row[found] for row, found in zip(rows, columns, strict=True)), np.zeros(0)]),
        *(np.concatenate([entity[field] for entity in entities]) for field in (1, 2, 3)),
    )
    beliefs = Beliefs(
        pointers([len(entity.belief.mean) for entity in entities]),
        np.concatenate([entity.belief.mean for entity in entities]),
        np.concatenate([entity.belief.precision.ravel() for entity in entities]),
    )
    firsts, kept = pointers([len(entity.labels) for entity in entities]), np.array([e.kept for e in entities])
    form: Form = "full" if full else "diagonal"
    return update_many(records, firsts, beliefs, kind=kind, form=form, kept=kept, prior=PRIOR)


def pointers(sizes: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([0, *np.cumsum(sizes)], dtype=np.int64)


def assert_as_by_numpy(entities: list[Entity], updates: Updates, kind: Kind) -> None:
    place = block = record = 0
    for e, entity in enumerate(entities):
        expected, d = entity.by_numpy(kind), len(entity.belief.mean)
        size = entity.belief.precision.size
        mean = updates.beliefs.mean[place : place + d]
        precision = updates.beliefs.precision[block : block + size].reshape(expected.posterior.precision.shape)
        np.testing.assert_allclose(mean, expected.posterior.mean, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(precision, expected.posterior.precision, rtol=1e-8, atol=1e-8)
        assert updates.losses[e] == pytest.approx(expected.loss, rel=1e-9, abs=1e-12)
        margins = updates.margins[record : record + len(entity.labels)]
        np.testing.assert_allclose(margins, entity.features @ entity.belief.mean + entity.offsets, atol=1e-9)
        place, block, record = place + d, block + size, record + len(entity.labels)
    assert updates.sound.all()


ENTITY = st.tuples(st.integers(0, 10**6), st.integers(0, 12), st.integers(1, 9))


def test_the_tests_run_the_compiled_loop() -> None:
    assert IS_COMPILED


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@pytest.mark.parametrize("kind", ["logistic", "linear"])
@given(shapes=st.lists(ENTITY, min_size=1, max_size=5), scale=st.sampled_from([1e-3, 1.0, 30.0]))
def test_many_at_once_are_as_one_at_a_time_by_numpy(
    kind: Kind, shapes: list[tuple[int, int, int]], scale: float, *, full: bool
) -> None:
    entities = [an_entity(seed, n, d, full=full, kind=kind, scale=scale) for seed, n, d in shapes]
    assert_as_by_numpy(entities, learned(entities, kind=kind, full=full), kind)


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@given(shapes=st.lists(ENTITY, min_size=1, max_size=3))
@settings(max_examples=20)
def test_without_numba_the_results_are_the_same(shapes: list[tuple[int, int, int]], *, full: bool) -> None:
    entities = [an_entity(seed, n, d, full=full, kind="logistic") for seed, n, d in shapes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_many, "IS_COMPILED", False)
        assert_as_by_numpy(entities, learned(entities, kind="logistic", full=full), "logistic")


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@pytest.mark.parametrize("n", [1, 2, 12, 40])
def test_features_of_a_million_find_their_optimum(n: int, *, full: bool) -> None:
    entities = [an_entity(seed, n, 8, full=full, kind="logistic", scale=1e6) for seed in range(5)]
    updates = learned(entities, kind="logistic", full=full)
    assert updates.sound.all()
    for loss, entity in zip(updates.losses, entities, strict=True):
        assert loss <= entity.by_numpy("logistic").loss * (1 + 1e-6) + 1e-9


@given(seed=st.integers(0, 10**6), split=st.integers(0, 10))
def test_the_linear_posterior_does_not_care_how_the_records_are_split(seed: int, split: int) -> None:
    whole = an_entity(seed, 10, 4, full=True, kind="linear")._replace(kept=1.0)
    cut = [part._replace(kept=1.0) for part in (whole, whole)]
    first = cut[0]._replace(**{name: getattr(whole, name)[:split] for name in whole._fields[:4]})
    middle = learned([first], kind="linear", full=True).beliefs
    belief = GaussianPosterior(middle.mean, middle.precision.reshape(4, 4))
    rest = {name: getattr(whole, name)[split:] for name in whole._fields[:4]}
    last = learned([whole._replace(**rest, belief=belief)], kind="linear", full=True)
    np.testing.assert_allclose(last.beliefs.mean, learned([whole], kind="linear", full=True).beliefs.mean, atol=1e-8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
def test_an_entity_that_overflows_is_left_as_it_was_and_harms_no_other(bad: float, *, full: bool) -> None:
    entities = [an_entity(seed, 3, 4, full=full, kind="logistic") for seed in range(3)]
    entities[1].features[1, 2] = bad
    updates = learned(entities, kind="logistic", full=full)
    assert updates.sound.tolist() == [True, False, True]
    np.testing.assert_array_equal(updates.beliefs.mean[4:8], entities[1].belief.mean)
    alone = learned([entities[2]], kind="logistic", full=full)
    np.testing.assert_array_equal(updates.beliefs.mean[8:], alone.beliefs.mean)


def test_what_is_given_is_not_changed() -> None:
    entity = an_entity(1, 4, 3, full=False, kind="logistic")
    before = entity.belief.mean.copy(), entity.belief.precision.copy()
    learned([entity], kind="logistic", full=False)
    np.testing.assert_array_equal(entity.belief.mean, before[0])
    np.testing.assert_array_equal(entity.belief.precision, before[1])


def test_the_noise_variance_divides_the_weights_of_the_linear_loss_alone() -> None:
    one, index = np.ones(1), np.array([0, 1])
    records, beliefs = Records(index, index[:1], one, one, one, one * 0), Beliefs(index, one * 0, one)
    linear = update_many(records, index, beliefs, kind="linear", noise_variance=4.0)
    assert linear.beliefs.precision.tolist() == [1.25]
    assert linear.beliefs.mean.tolist() == pytest.approx([0.2])
    given_, plain = (update_many(records, index, beliefs, kind="logistic", noise_variance=v) for v in (4.0, 1.0))
    assert given_.beliefs.mean == plain.beliefs.mean


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("columns", [3], "columns must be"),
        ("columns", [-1], "columns must be"),
        ("starts", [0, 2], "starts must be"),
        ("weights", [1.0, 1.0], "one length"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(field: str, value: list[float], message: str) -> None:
    one, index = np.ones(1), np.array([0, 1])
    records = Records(index, index[:1], one, one, one, one)
    wrong = records._replace(**{field: np.array(value)})
    with pytest.raises(ValueError, match=message):
        update_many(wrong, index, Beliefs(index, one, one), kind="logistic")


def test_forgetting_without_a_prior_is_refused() -> None:
    one, index = np.ones(1), np.array([0, 1])
    with pytest.raises(ValueError, match="needs a prior"):
        update_many(
            Records(index, index[:1], one, one, one, one), index, Beliefs(index, one, one), kind="linear", kept=0.5
        )


@pytest.mark.parametrize("machine_code", [True, False])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "Logistic"}, "kind must be one of logistic, linear, got 'Logistic'"),
        ({"form": "Full"}, "form must be one of diagonal, full, got 'Full'"),
        ({"kept": 2.0}, "kept must be from 0 to 1, got 2.0"),
        ({"kept": np.nan}, "kept must be"),
        ({"noise_variance": 0.0}, "noise_variance must be a number > 0, got 0.0"),
        ({"noise_variance": np.inf}, "noise_variance must be"),
    ],
)
def test_what_there_is_not_is_refused(
    arguments: dict[str, Any], message: str, *, machine_code: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_many, "IS_COMPILED", machine_code and IS_COMPILED)
    one, index = np.ones(1), np.array([0, 1])
    records, beliefs = Records(index, index[:1], one, one, one, one * 0), Beliefs(index, one * 0, one)
    with pytest.raises(ValueError, match=message):
        update_many(records, index, beliefs, **{"kind": "linear", "prior": PRIOR} | arguments)


@pytest.mark.parametrize("machine_code", [True, False])
def test_numbers_of_any_type_are_taken(*, machine_code: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_many, "IS_COMPILED", machine_code and IS_COMPILED)
    index = np.array([0, 1])
    exact = Records(index, index[:1], *(np.array([float(n)]) for n in (3, 1, 2, 0)))
    loose: list[Any] = [[0, 1], [0], np.array([3], np.float32), [1], np.array([2]), np.array([0], np.float32)]
    places: Any = [0, 1]
    beliefs: list[Any] = [places, [0], np.array([2], np.float32)]
    found = update_many(Records(*loose), places, Beliefs(*beliefs), kind="linear")
    expected = update_many(exact, index, Beliefs(index, np.zeros(1), np.full(1, 2.0)), kind="linear")
    assert found.beliefs.mean == expected.beliefs.mean
    assert found.beliefs.precision.tolist() == expected.beliefs.precision.tolist() == [20.0]


def test_two_threads_at_once_get_what_one_gets() -> None:
    entities = [an_entity(seed, 20, 30, full=False, kind="logistic") for seed in range(50)]
    expected = learned(entities, kind="logistic", full=False)
    found: list[Updates] = []
    threads = [
        threading.Thread(target=lambda: found.append(learned(entities, kind="logistic", full=False))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    for updates in found:
        np.testing.assert_array_equal(updates.beliefs.mean, expected.beliefs.mean)


def test_a_change_of_what_the_loop_calls_changes_its_file_too() -> None:
    folder = Path(kernel.__file__).parent
    found = zlib.crc32(b"".join((folder / name).read_bytes() for name in CALLED))
    assert f"{found:08x}" == kernel.CALLED, f"put {found:08x} into kernel.py: or numba's cache keeps the old code"
