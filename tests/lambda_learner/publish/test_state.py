from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from lambda_learner.learn import Example, LearnerSettings, learn
from lambda_learner.learn.state import EntityState, Noise, NoiseVariance
from lambda_learner.learn.state_format import to_bytes
from lambda_learner.publish.coefficients import EntityCoefficients
from lambda_learner.publish.parquet_file import from_parquet, to_parquet
from lambda_learner.publish.state import from_state, to_state


def _examples(window: int) -> list[Example]:
    rng = np.random.default_rng(window)
    return [
        Example(
            f"d{number}",
            {
                ("item.genre", f"g{rng.integers(5)}"): 1.0,
                ("item.price", ""): float(rng.normal()),
                ("a", ""): 1.0,
            },
            float(rng.integers(2)),
        )
        for number in range(9)
    ]


def _learned(settings: LearnerSettings, state: EntityState | None, windows: range) -> EntityState:
    for window in windows:
        result = learn(state, _examples(window), close_ms=(window + 1) * 10_000, generation="g", settings=settings)
        assert result.outcome == "learned"
        state = result.state
    assert state is not None
    return state


def _restored(state: EntityState) -> EntityState:
    (read,) = from_parquet(to_parquet([from_state('["u1"]', state)]))
    assert isinstance(read, EntityCoefficients)
    assert read.entity == '["u1"]'
    return to_state(read, generation=state.generation)


@pytest.mark.parametrize(
    "settings",
    [LearnerSettings(forgetting=0.9), LearnerSettings(kind="linear", noise_variance="estimate", forgetting=0.9)],
    ids=["logistic", "estimated noise"],
)
def test_a_diagonal_state_comes_back_from_its_file_bit_for_bit_and_learns_on_as_if_never_stopped(
    settings: LearnerSettings,
) -> None:
    state = _learned(settings, None, range(3))
    assert to_bytes(_restored(state)) == to_bytes(state)
    onward = _learned(settings, _restored(state), range(3, 6))
    assert to_bytes(onward) == to_bytes(_learned(settings, None, range(6)))


@pytest.mark.parametrize(
    ("kind", "noise_variance"), [("logistic", 1.0), ("linear", 1.0), ("linear", "estimate")], ids=str
)
def test_a_full_state_comes_back_to_1e_12(kind: Literal["logistic", "linear"], noise_variance: NoiseVariance) -> None:
    settings = LearnerSettings(kind=kind, posterior="full", noise_variance=noise_variance)
    state = _learned(settings, None, range(3))
    again = _restored(state)
    assert again.noise == state.noise
    assert (state.noise == Noise()) == (noise_variance == 1.0)
    assert (again.names, again.fence_ms, again.count, again.generation, again.base_version) == (
        state.names,
        state.fence_ms,
        state.count,
        state.generation,
        state.base_version,
    )
    assert np.array_equal(again.posterior.mean, state.posterior.mean)
    assert again.posterior.precision == pytest.approx(state.posterior.precision, rel=1e-12, abs=1e-12)


def test_a_restored_state_does_not_learn_the_same_window_twice() -> None:
    settings = LearnerSettings()
    state = _restored(_learned(settings, None, range(3)))
    again = learn(state, _examples(2), close_ms=30_000, generation="g", settings=settings)
    assert again.outcome == "fenced"
